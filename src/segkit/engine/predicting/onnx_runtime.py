"""An exported ONNX file as a segmenter: the answers of the run, with no torch in the process."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from segkit import native
from segkit.data.normalise import normalise
from segkit.engine.predicting import tta as augmentation
from segkit.engine.predicting.masks import masks_from
from segkit.engine.runfiles import damaged, misfit
from segkit.errors import MissingExtra, SegkitError
from segkit.limits import MAX_SIDE

METADATA = "segkit"
CARD = {
    "size": [int],
    "resize": str,
    "threshold": (int, float),
    "classes": [str],
    "architecture": str,
    "preprocessing": str,
    "normalise?": str,
    "colour?": str,
}


class OnnxSegmenter:
    """Pictures at network size in, probabilities out; settings come from the file's metadata."""

    def __init__(
        self,
        path: Path | str,
        tta: str = "none",
        threshold: float | None = None,
        threads: int | None = None,
    ):
        augmentation.views(tta)
        self.path, self.tta = Path(path), tta
        self.session = _open(self.path, threads)
        self.card = read_card(self.session, self.path)
        self._input = _input_name(self.session, self.path)
        self.size = (int(self.card["size"][0]), int(self.card["size"][1]))
        self.resize: str = self.card["resize"]
        self.threshold = float(self.card["threshold"] if threshold is None else threshold)
        self.classes = tuple(self.card["classes"])
        self.name = f"{self.card['architecture']} ({self.path.name})"

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 (B, K, H, W), K = 1 or one per class."""
        images = np.ascontiguousarray(images)
        if self.card["preprocessing"] == "inside":
            nchw = images.transpose(0, 3, 1, 2)
            return augmentation.average(nchw, self._from_pixels, self.tta)
        inputs = normalise(images, self.card["normalise"], self.card["colour"])
        return augmentation.average(inputs, self._forward, self.tta)

    def masks(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> class indices uint8 (B, H, W)."""
        return masks_from(self.probabilities(images), self.threshold)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """What the network gives for its own input."""
        try:
            answer = self.session.run(None, {self._input: np.ascontiguousarray(inputs)})[0]
        except (*_faults(), RuntimeError, ValueError) as error:
            raise damaged(self.path, str(error).splitlines()[0]) from error
        shape: tuple[Any, ...] = getattr(answer, "shape", (type(answer).__name__,))
        if len(shape) != 4 or shape[0] != len(inputs) or shape[1] not in (1, len(self.classes)):
            raise damaged(self.path, f"it answers {shape} for {len(inputs)} pictures")
        return answer

    def _from_pixels(self, nchw: np.ndarray) -> np.ndarray:
        return self._forward(nchw.transpose(0, 2, 3, 1))

    def _forward(self, inputs: np.ndarray) -> np.ndarray:
        return probabilities_of(self.logits(inputs))


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Sigmoid of one channel, softmax over several; float32."""
    if logits.shape[1] == 1:
        return (1.0 / (1.0 + np.exp(-logits.clip(-80, 80)))).astype(np.float32)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return (shifted / shifted.sum(1, keepdims=True)).astype(np.float32)


def _open(path: Path, threads: int | None) -> Any:
    if not path.is_file():
        raise SegkitError(f"{path} is missing")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime", "export", f"running {path.name}") from error
    providers = _providers(onnxruntime)
    try:
        options = session_options(threads, operators=providers == ["CPUExecutionProvider"])
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (*_faults(), RuntimeError, ValueError) as error:
        raise SegkitError(f"{path} cannot be run", str(error).splitlines()[0]) from error


def session_options(threads: int | None = None, operators: bool = True) -> Any:
    """How segkit opens a file: quietly, and with the C kernels for its scans where they are here.

    Without them ONNX Runtime follows the scans' definitions in the file: the same answers, later.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    if operators and native.onnx_operators():
        with contextlib.suppress(*_faults()):  # a runtime older than 1.17
            options.register_custom_ops_library(native.onnx_operators())
    return options


def _faults() -> tuple[Any, ...]:
    """What ONNX Runtime raises: a class for each of its codes."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    kinds = [kind for kind in vars(states).values() if isinstance(kind, type)]
    return tuple(kind for kind in kinds if issubclass(kind, Exception))


def _providers(onnxruntime: Any) -> list[str]:
    """A GPU where this build of ONNX Runtime has one, then the CPU."""
    there = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]


def _input_name(session: Any, path: Path) -> str:
    try:
        (only,) = (node.name for node in session.get_inputs())
    except ValueError as error:  # none, several, or a name that is no text
        raise damaged(path, "it has not one input with a name") from error
    return str(only)


def read_card(session: Any, path: Path) -> dict[str, Any]:
    """The card that `segkit export` wrote into the metadata."""
    try:
        entries = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise damaged(path, "its metadata are no text") from error
    if METADATA not in entries:
        raise SegkitError(
            f"{path} says nothing of its preprocessing",
            "it was not written by segkit",
            "Export it with: segkit export RUN --to onnx",
        )
    try:
        card: dict[str, Any] = json.loads(entries[METADATA])
    except ValueError as error:
        raise damaged(path, f"its metadata are no JSON: {error}") from error
    wrong = misfit(card, CARD)
    if not wrong and not (len(card["size"]) == 2 and all(0 < n <= MAX_SIDE for n in card["size"])):
        wrong = f"size is {card['size']}"
    if wrong:
        raise damaged(path, f"in its metadata {wrong}")
    return card
