"""The certificate of a network, read and applied: margins, doubt, likeness. Torch-free.

`segkit certify` writes it beside the run; `predict`, `view`, `report` and `evaluate` come here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segkit import paths
from segkit.data.geometry import Geometry, unfit
from segkit.engine import register, runfiles
from segkit.errors import SegkitError, UsageError
from segkit.metrics.conformal import doubt, margins, shift, signs

FILE = "certificate.json"
FORMAT = 1
FAR = 1e6  # stands for an infinite distance where pictures are resized


@dataclass(frozen=True)
class Band:
    """What is promised of one class in one picture: surely inside, predicted, nowhere beyond."""

    name: str
    inner: np.ndarray  # bool (H, W)
    predicted: np.ndarray
    outer: np.ndarray
    group: str


@dataclass(frozen=True)
class Certificate:
    """A certificate file."""

    document: dict[str, Any]
    path: Path | None = None

    @property
    def alpha(self) -> float:
        return float(self.document["alpha"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.document["classes"])

    @property
    def promise(self) -> str:
        """What the band says, in a sentence."""
        return (
            f"With probability {1 - self.document['delta']:g}, the outer margin holds at least "
            f"{1 - self.alpha:g} of the truth; with the same, at most {self.alpha:g} of the core "
            "is false."
        )

    def drawing(self) -> dict[str, Any]:
        """What somebody needs who draws the band elsewhere."""
        kept = ("class", "group", "enough", *margins.SIDES)
        rows = [{key: row[key] for key in kept} for row in self.document["margins"]]
        return {"promise": self.promise, "groups": self.document["groups"], "margins": rows}

    def misfit(self, segmenter: Any) -> str:
        """Why its promises say nothing of this predictor; empty if they hold."""
        for key in ("size", "resize", "threshold", "tta"):
            ours, theirs = self.document[key], getattr(segmenter, key)
            theirs = list(theirs) if key == "size" else theirs
            if ours != theirs:
                return f"it was made with {key} {ours}, the network answers with {theirs}"
        return ""

    def group(self, share: float) -> str:
        """The size group of a predicted share of the picture."""
        names, edges = self.document["groups"]["names"], self.document["groups"]["edges"]
        return str(names[int(np.searchsorted(edges, share))]) if names else "all"

    def radius(self, name: str, side: str, group: str, form: str = "per_picture") -> float:
        """The margin of a class: its size group's where that was calibrated, else everybody's."""
        rows = {row["group"]: row for row in self.document["margins"] if row["class"] == name}
        row = rows.get(group) if group in rows and rows[group]["enough"] else rows.get("all")
        if row is None:
            raise SegkitError(f"the certificate knows no class '{name}'")
        value = row[side][form]
        return math.inf if value is None else float(value)

    def bands(
        self, mask: np.ndarray, geometry: Geometry | None = None, form: str = "per_picture"
    ) -> list[Band]:
        """Per class, on the network's grid, or on the picture's own where `geometry` is given.

        `mask`: class indices on the network's grid.
        """
        content = mask if geometry is None else mask[: geometry.content[0], : geometry.content[1]]
        found = []
        for index, name in enumerate(self.classes[1:], start=1):
            hit = content == index if len(self.classes) > 2 else content != 0
            group = self.group(float(hit.mean()))
            outer, inner = (self.radius(name, side, group, form) for side in margins.SIDES)
            distance = np.clip(margins.field(hit), -FAR, FAR)
            if geometry is not None:
                distance = unfit(_on_grid(distance, mask.shape), geometry, nearest=False)
            found.append(Band(name, distance < -inner, distance <= 0, distance <= outer, group))
        return found

    @cached_property
    def _doubt(self) -> tuple[doubt.Regression, float] | None:
        found = self.document.get("doubt")
        if not found:
            return None
        scale = shift.SignScale(np.array(found["centre"]), np.array(found["spread"]))
        fitted = doubt.Regression(
            scale, np.array(found["weights"]), found["offset"], found["penalty"]
        )
        reach = found["reach"]
        return fitted, math.inf if reach is None else float(reach)

    def estimates(self, rows: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
        """Estimated Dice of predictions by their signs, with interval and reasons for doubt."""
        if self._doubt is None:
            raise SegkitError(
                "the certificate estimates no Dice", "there were too few pictures to fit it on"
            )
        fitted, reach = self._doubt
        table = signs.table(list(rows), signs.DOUBT)
        estimated, parts = fitted.log_error(table), fitted.parts(table)
        found, (low, high) = doubt.from_log_error(estimated), doubt.interval(estimated, reach)
        return [
            {
                "dice_estimate": round(float(found[i]), 4),
                "dice_low": round(float(low[i]), 4),
                "dice_high": round(float(high[i]), 4),
                "reasons": _reasons(parts[i]),
            }
            for i in range(len(found))
        ]

    @cached_property
    def _calibration(self) -> tuple[shift.SignScale, np.ndarray]:
        found = self.document["shift"]
        scale = shift.SignScale(np.array(found["centre"]), np.array(found["spread"]))
        return scale, scale(np.array(found["calibration"], dtype=float))

    def likeness(self, rows: Sequence[dict[str, float]]) -> Likeness:
        """Whether pictures are like those of the calibration, one by one and together."""
        scale, ours = self._calibration
        new = scale(signs.table(list(rows), signs.SHIFT))
        p = shift.batch_p(ours, new) if len(new) >= shift.LEAST_BATCH else None
        loud = shift.loudest(ours, new, signs.SHIFT)
        return Likeness(tuple(float(v) for v in shift.picture_p(ours, new)), p, loud)


@dataclass(frozen=True)
class Likeness:
    """p-values of single pictures, and of all together (None: too few for a test)."""

    pictures: tuple[float, ...]
    together: float | None
    moved: str

    @property
    def warning(self) -> str:
        """A sentence where the promises should not be relied on; empty otherwise."""
        if self.together is None or self.together > shift.LEVEL:
            return ""
        return (
            f"these {len(self.pictures)} pictures are unlike those of the calibration "
            f"(p = {self.together:.3g}; {self.moved} spreads): the margins and estimates are not "
            "promised for them. Certify the network on pictures of this kind: "
            "segkit certify … --data NAME"
        )


REASONS = {
    "expected_dice": "unsure probabilities",
    "border_entropy": "blurred outline",
    "log_area": "small area",
    "margin_width": "long outline for its area",
    "disagreement": "mirrored views disagree",
}
SPEAKS = 1.15  # a sign is a reason if it raises the expected error by this factor or more


def _reasons(parts: np.ndarray) -> str:
    """The signs that raise the expected error most, in words with their factors."""
    names = list(signs.DOUBT)
    order = [i for i in np.argsort(-parts) if np.exp(parts[i]) >= SPEAKS][:3]
    return ", ".join(f"{REASONS[names[i]]} (error x{np.exp(parts[i]):.1f})" for i in order)


def _on_grid(distance: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Content back on the padded grid, which `unfit` cuts off again."""
    if distance.shape == shape:
        return distance
    canvas = np.full(shape, FAR, np.float32)
    canvas[: distance.shape[0], : distance.shape[1]] = distance
    return canvas


def read(path: Path) -> Certificate:
    """A certificate file, held against what it must hold."""
    document = runfiles.read_document(path, runfiles.CERTIFICATE)
    if document["format"] != FORMAT:
        raise SegkitError(
            f"{path} is of format {document['format']}",
            f"this segkit reads {FORMAT}",
            "Run segkit certify again.",
        )
    return Certificate(document, path)


def find(model: Path | str, given: Path | None = None) -> Certificate | None:
    """The certificate that was named, or the one beside the run; None if there is none."""
    if given is not None:
        file = given / FILE if given.is_dir() else given
        if not file.is_file():
            raise UsageError(f"--certificate {given} is not here", None, "segkit certify writes it")
        return read(file)
    beside = register.place(model) / FILE
    return read(beside) if beside.is_file() else None


def weights_hash(model: Path | str) -> str:
    """What the certificate is bound to: the checkpoints of a run, or an ONNX file."""
    path = register.place(model)
    files = sorted(path.rglob("best.safetensors")) if path.is_dir() else [path]
    return paths.short_hash([paths.sha256(file) for file in files], 16)


def stale(found: Certificate, model: Path | str) -> str:
    """Why it says nothing of this network: it was trained again since. Files only, quick."""
    path = register.place(model)
    if path.is_dir() and found.document["weights"] != weights_hash(path):
        return "the network's weights are not those that were certified"
    return ""
