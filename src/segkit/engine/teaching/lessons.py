"""The soft answers of a teacher to the very pictures that its pupil sees, augmentation included.

Each teacher normalises the 8-bit pixels by its own rule and at its own size; its logits come back
at the size, and with the number of channels, of the pupil's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data.normalise import normalise
from segkit.engine.runs import Run
from segkit.engine.teaching.teacher import Look, Teacher

SURE = 1e-6  # a mean probability closer to 0 or 1 than this says no more


Answer = Callable[[Any], Tensor]  # what one network gives for its own input


class Lessons:
    """Pixels uint8 (B, H, W, 3) in, logits (B, K, H, W) of all teaching networks together out."""

    def __init__(self, networks: Sequence[Answer], look: Look, channels: int):
        self.networks, self.look, self.channels = tuple(networks), look, channels

    @torch.no_grad()  # not inference mode: what comes out takes part in a gradient
    def __call__(self, pixels: Tensor) -> Tensor:
        look, size = self.look, (int(pixels.shape[1]), int(pixels.shape[2]))
        seen = pixels if size == look.size else _resized(pixels, look.size)
        # the pixels are in the colour space of both already
        inputs = seen if look.inside else normalise(seen, look.rule)
        answers = [network(inputs).float() for network in self.networks]
        logits = answers[0] if len(answers) == 1 else _mean(answers)
        if size != look.size:
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return in_channels(logits, self.channels)


def open_lessons(
    teacher: Teacher, weights: Sequence[Path], device: torch.device, channels: int
) -> Lessons:
    """The teacher's networks on a device."""
    run = teacher.run
    networks = [_of_onnx(weights[0], device)] if run is None else _of_run(run, weights, device)
    return Lessons(networks, teacher.look, channels)


def _of_run(run: Run, weights: Sequence[Path], device: torch.device) -> list[Answer]:
    folds = {fold.best: fold for fold in run.folds}
    return [run.load_model(folds[file], device).requires_grad_(False) for file in weights]


def _of_onnx(file: Path, device: torch.device) -> Answer:
    from segkit.engine.predicting.onnx_runtime import OnnxSegmenter

    segmenter = OnnxSegmenter(file)
    return lambda inputs: torch.from_numpy(segmenter.logits(inputs.cpu().numpy())).to(device)


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """8-bit pixels at another size."""
    planes = pixels.permute(0, 3, 1, 2).float()
    planes = F.interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=True)
    return planes.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def _mean(answers: Sequence[Tensor]) -> Tensor:
    """Logits of the mean probability."""
    if answers[0].shape[1] == 1:
        share = torch.stack([logits.sigmoid() for logits in answers]).mean(0)
        return share.clamp(SURE, 1 - SURE).logit()
    share = torch.stack([logits.softmax(1) for logits in answers]).mean(0)
    return share.clamp_min(SURE).log()


def in_channels(logits: Tensor, channels: int) -> Tensor:
    """The same answer with as many channels: two classes are one logit, or two."""
    if logits.shape[1] == channels:
        return logits
    if channels == 1:
        return logits[:, 1:] - logits[:, :1]
    return torch.cat([torch.zeros_like(logits), logits], 1)
