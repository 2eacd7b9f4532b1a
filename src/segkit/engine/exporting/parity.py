"""The parity gate: an exported file is kept only if it answers as the network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segkit.engine.exporting.subject import Subject
from segkit.engine.predicting.masks import masks_from
from segkit.engine.predicting.onnx_runtime import probabilities_of
from segkit.errors import SegkitError

Runner = Callable[[np.ndarray], np.ndarray]  # the network's input -> logits, both numpy


@dataclass(frozen=True)
class Bounds:
    """How far a file may be off."""

    logits: float | None  # largest absolute difference of a logit
    flipped: float  # largest share of pixels whose class changes
    dice: float | None = None  # least mean Dice with the network's own masks (int8)
    relative: float = 0.0  # the same as `logits`, as a share of the largest logit

    def of_logits(self, largest: float) -> float | None:
        """The larger of the two bounds: float32 itself is off by a share of what it adds up."""
        return None if self.logits is None else max(self.logits, self.relative * largest)


BOUNDS = {
    "float32": Bounds(logits=1e-3, flipped=1e-4, relative=1e-5),
    "fp16": Bounds(logits=None, flipped=5e-3),
    "int8": Bounds(logits=None, flipped=1.0, dice=0.9),
}


@dataclass(frozen=True)
class ParityCase:
    """One comparison."""

    name: str
    shape: tuple[int, ...]
    max_difference: float
    largest_logit: float
    flipped: float
    dice: float


def check(subject: Subject, runner: Runner, bounds: Bounds) -> list[ParityCase]:
    """Compare at three sizes and on the validation pictures; raise if a case is out of bounds."""
    cases = [compare(subject, runner, name, images) for name, images in pictures(subject)]
    for case in cases:
        reason = _fault(case, bounds)
        if reason:
            raise SegkitError(
                "the exported file does not answer as the network does",
                f"{reason} ({case.name}, input {'x'.join(map(str, case.shape))})",
                "Nothing was kept. A looser bound: --tolerance; the numbers: --json.",
            )
    return cases


def pictures(subject: Subject) -> list[tuple[str, np.ndarray]]:
    """uint8 (B, H, W, 3): drawn ones at three sizes, then the real ones."""
    rng = np.random.default_rng(0)
    height, width = subject.size
    if subject.card["fixed_size"]:
        shapes = {
            "its size": (1, height, width),
            "batch 2": (2, height, width),
            "batch 3": (3, height, width),
        }
    else:
        shapes = {
            "its size": (1, height, width),
            "not square": (2, height, width + 64),
            "no multiple of 32": (1, height - 19, width + 13),
        }
    drawn = [(name, drawing(rng, *shape, subject.channels)) for name, shape in shapes.items()]
    real = [] if subject.images is None else [("validation pictures", subject.images)]
    return drawn + real


def drawing(
    rng: np.random.Generator, batch: int, height: int, width: int, channels: int
) -> np.ndarray:
    """A dark blob on a light, grainy ground: smooth parts, edges and noise in one picture."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    images = []
    for _ in range(batch):
        cy, cx = rng.uniform(0.35, 0.65, 2) * (height, width)
        radius = rng.uniform(0.15, 0.3) * min(height, width)
        angle = np.arctan2(y - cy, x - cx)
        edge = radius * (1 + 0.2 * np.sin(3 * angle + rng.uniform(0, 6)))
        inside = 1 / (1 + np.exp((np.hypot(y - cy, x - cx) - edge) / 3))
        light, dark = rng.uniform(170, 230, channels), rng.uniform(40, 110, channels)
        picture = (
            light + (dark - light) * inside[..., None] + rng.normal(0, 6, (height, width, channels))
        )
        images.append(picture.clip(0, 255).astype(np.uint8))
    return np.stack(images)


def compare(subject: Subject, runner: Runner, name: str, images: np.ndarray) -> ParityCase:
    """The file against the network on the same pictures."""
    inputs = subject.inputs(images)
    expected = subject.logits(inputs)
    found = runner(inputs)
    if found.shape != expected.shape:
        raise SegkitError(
            "the exported file does not answer as the network does",
            f"it gives {found.shape} for {inputs.shape}, the network {expected.shape}",
        )
    theirs, ours = (masks_of(logits, subject.card["threshold"]) for logits in (found, expected))
    return ParityCase(
        name,
        tuple(inputs.shape),
        float(np.abs(found - expected).max()),
        float(np.abs(expected).max()),
        float((theirs != ours).mean()),
        _dice(theirs, ours),
    )


def against_truth(subject: Subject, runner: Runner) -> dict[str, Any] | None:
    """Mean foreground Dice with the ground truth of the validation pictures: network and file."""
    if subject.images is None or subject.masks is None:
        return None
    inputs, threshold = subject.inputs(subject.images), subject.card["threshold"]
    network = _dice(masks_of(subject.logits(inputs), threshold), subject.masks)
    found = _dice(masks_of(runner(inputs), threshold), subject.masks)
    return {"pictures": len(subject.masks), "network": network, "file": found}


def masks_of(logits: np.ndarray, threshold: float) -> np.ndarray:
    """Class indices, by the rule that predict uses."""
    return masks_from(probabilities_of(logits), threshold)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over the pictures of the foreground's Dice; two empty masks agree."""
    scores = []
    for left, right in zip(one > 0, other > 0, strict=True):
        total = int(left.sum()) + int(right.sum())
        scores.append(2 * int((left & right).sum()) / total if total else 1.0)
    return float(np.mean(scores))


def _fault(case: ParityCase, bounds: Bounds) -> str | None:
    if not np.isfinite(case.max_difference):
        return "it gives values that are not finite"
    bound = bounds.of_logits(case.largest_logit)
    if bound is not None and case.max_difference > bound:
        largest = f"(the largest is {case.largest_logit:.3g})"
        return f"a logit differs by {case.max_difference:.2e} {largest}, bound {bound:.2g}"
    if case.flipped > bounds.flipped:
        return f"{100 * case.flipped:.3f} % of the pixels flip, bound {100 * bounds.flipped:g} %"
    if bounds.dice is not None and case.dice < bounds.dice:
        return f"Dice with the network's masks is {case.dice:.4f}, bound {bounds.dice:g}"
    return None


def as_rows(cases: list[ParityCase], bounds: Bounds) -> list[dict[str, Any]]:
    """The cases as JSON, each with the bound of its logits."""
    return [asdict(case) | {"bound": bounds.of_logits(case.largest_logit)} for case in cases]
