"""A trained network with its preprocessing: evaluate, predict, report and view go through it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from segkit.data.normalise import normalise
from segkit.engine.predicting import tta as augmentation
from segkit.engine.predicting.masks import masks_from
from segkit.errors import SegkitError, UsageError

if TYPE_CHECKING:
    from segkit.engine.runs import FoldDir, Run

__all__ = ["Segmenter", "masks_from", "pick_device"]


class Segmenter:
    """Pictures at network size in, probabilities out. Several networks: the mean of them."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        size: tuple[int, int],
        resize: str = "stretch",
        rule: str = "unit",
        colour: str = "rgb",
        threshold: float = 0.5,
        classes: Sequence[str] = ("background", "foreground"),
        device: str = "auto",
        tta: str = "none",
        amp: str = "off",
        name: str = "",
    ):
        augmentation.views(tta)
        self.device = pick_device(device)
        self.networks = tuple(network.to(self.device).eval() for network in networks)
        self.size, self.resize = (int(size[0]), int(size[1])), resize
        self.rule, self.colour = rule, colour
        self.threshold, self.classes = threshold, tuple(classes)
        self.tta, self.amp, self.name = tta, amp, name

    @classmethod
    def from_run(
        cls,
        run: Run | Path | str,
        fold: int | FoldDir | Literal["all"] = 0,
        device: str = "auto",
        tta: str | None = None,
        amp: str = "off",
        threshold: float | None = None,
    ) -> Segmenter:
        """The best checkpoint of one fold, or all of them; what is not given is the run's."""
        run = _opened(run)
        data, scoring = run.recipe.data, run.recipe.evaluate
        folds = _finished(run) if fold == "all" else [fold]
        return cls(
            [run.load_model(fold=one, device="cpu") for one in folds],
            size=data.size,
            resize=data.resize,
            rule=data.normalise,
            colour=data.colour,
            threshold=scoring.threshold if threshold is None else threshold,
            classes=run.card["classes"],
            device=device,
            tta=scoring.tta if tta is None else tta,
            amp=amp,
            name=f"{run.recipe.architecture} ({Path(run.path).name})",
        )

    def probabilities(self, images: np.ndarray | Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> float32 (B, K, H, W): foreground (K = 1), else softmax."""
        with torch.inference_mode():
            return augmentation.average(self.inputs(images), self._ensemble, self.tta).contiguous()

    def masks(self, images: np.ndarray | Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> class indices uint8 (B, H, W)."""
        return masks_from(self.probabilities(images), self.threshold)

    def _ensemble(self, inputs: Tensor) -> Tensor:
        total = self._forward(self.networks[0], inputs)
        for network in self.networks[1:]:
            total = total + self._forward(network, inputs)
        return total / len(self.networks)

    def inputs(self, images: np.ndarray | Tensor) -> Tensor:
        """What the network sees: uint8 (B, H, W, 3) -> float32 (B, 3, H, W) on the device."""
        if isinstance(images, np.ndarray):
            images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        return normalise(images.to(self.device), self.rule, self.colour)

    def _forward(self, network: nn.Module, inputs: Tensor) -> Tensor:
        with _autocast(self.amp, self.device):
            logits = network(inputs)
        logits = logits.float()
        return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)


def pick_device(name: str) -> torch.device:
    """`auto` is the first GPU, else the CPU; anything else is torch's own name for a device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device '{name}'", "known: auto, cpu, cuda, cuda:N, mps"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device '{name}' is not here", "torch sees no GPU", "Use --device cpu.")
    return device


def _opened(run: Any) -> Run:
    if not isinstance(run, str | Path):
        return run
    from segkit.engine.runs import open_run

    return open_run(Path(run))


def _finished(run: Run) -> list[FoldDir]:
    """The folds that can predict."""
    folds = [fold for fold in run.folds if fold.best.is_file()]
    if not folds:
        raise SegkitError(f"{run.path} cannot predict", "no fold has a checkpoint yet")
    return folds


def _autocast(amp: str, device: torch.device) -> AbstractContextManager[Any]:
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    if amp == "auto":
        amp = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "off"
    return torch.autocast(device.type, dtypes[amp]) if amp in dtypes else nullcontext()
