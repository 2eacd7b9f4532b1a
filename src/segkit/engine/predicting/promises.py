"""What a certificate says of the pictures of a job: bands, estimated Dice, who is set aside.

One `Promises` goes with one job: it looks at every picture as it passes, and concludes at the end,
because likeness and deferral are about all pictures together.
"""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segkit.data.geometry import Geometry
from segkit.engine.certificate import Band, Certificate
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.errors import UsageError
from segkit.metrics.conformal import signs
from segkit.metrics.conformal.deferral import set_aside

AREAS = ("area_low", "area_high", "size_group")
DOUBT = ("dice_estimate", "dice_low", "dice_high", "reasons", "deferred")
LEVELS = {"outside": 0, "outer": 85, "predicted": 170, "inner": 255}  # of a band's PNG
ASIDE = "deferred"  # the folder for what is set aside
MOVED = ("masks", "overlays", "bands", "probabilities")


@dataclass
class Promises:
    """A certificate at work."""

    certificate: Certificate
    defer: float | None = None
    form: str = "per_picture"
    warning: str = ""
    _signs: dict[str, dict[str, float]] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.defer is not None and not 0 < self.defer < 1:
            raise UsageError(f"--defer is {self.defer}", "a share between 0 and 1")
        if self.defer is not None and not self.certificate.document["doubt"]:
            raise UsageError(
                "--defer needs estimated Dice",
                "this certificate has none: there were too few pictures to fit it on",
                "Certify on more pictures: segkit certify RUN --data NAME",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """What predictions.csv holds beside the usual."""
        return (*AREAS, *(DOUBT if self.defer is not None else ()), "likeness")

    def look(
        self,
        name: str,
        small: np.ndarray,
        probability: np.ndarray,
        geometry: Geometry,
        views: np.ndarray | None,
        threshold: float,
    ) -> list[Band]:
        """Remember the signs of a picture, and draw its bands at the picture's own size."""
        mask = masks_from(probability[None], threshold)[0]
        inside = (slice(0, geometry.content[0]), slice(0, geometry.content[1]))
        seen = None if views is None else views[(slice(None), *inside)]
        front = foreground(probability)[inside]
        row = signs.read(front, mask[inside] != 0, small[inside], seen)
        with self._lock:
            self._signs[name] = row
        return self.certificate.bands(mask, geometry, self.form)

    def conclude(self, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
        """Fill in the columns that need all pictures; the names of those set aside."""
        if not self._signs:
            return []
        order = list(self._signs)
        table = [self._signs[name] for name in order]
        likeness = self.certificate.likeness(table)
        self.warning = likeness.warning
        found: dict[str, dict[str, Any]] = {
            name: {"likeness": round(p, 4)}
            for name, p in zip(order, likeness.pictures, strict=True)
        }
        aside = self._defer(order, table, found) if self.defer is not None else []
        for row, name in zip(rows, names, strict=True):
            row.update(found[name])
        return aside

    def _defer(
        self, order: list[str], table: list[dict[str, float]], found: dict[str, dict[str, Any]]
    ) -> list[str]:
        estimates = self.certificate.estimates(table)
        for name, one in zip(order, estimates, strict=True):
            found[name] |= one
        chosen = set_aside(np.array([one["dice_estimate"] for one in estimates]), self.defer or 0.0)
        aside = [name for name, doubtful in zip(order, chosen, strict=True) if doubtful]
        for name in order:
            found[name]["deferred"] = int(name in aside)
        return aside


def areas(band: Band) -> dict[str, Any]:
    """The area between core and outer margin, in pixels of the picture."""
    low, high = int(np.count_nonzero(band.inner)), int(np.count_nonzero(band.outer))
    return {"area_low": low, "area_high": high, "size_group": band.group}


def levels(band: Band) -> np.ndarray:
    """The band as grey levels: 255 core, 170 predicted, 85 outer margin, 0 beyond."""
    grey = np.zeros(band.predicted.shape, np.uint8)
    for part, name in ((band.outer, "outer"), (band.predicted, "predicted"), (band.inner, "inner")):
        grey[part] = LEVELS[name]
    return grey


def draw(picture: np.ndarray, band: Band, colour: tuple[int, int, int]) -> None:
    """Both margins as thin dashed lines into an overlay (RGB, in place): dark outside, pale inside.

    Dark lines show on the bright surroundings, pale ones on what is marked.
    """
    thickness = max(1, round(max(picture.shape[:2]) / 500))
    pale = tuple(int(255 - (255 - value) * 0.45) for value in colour)
    dark = tuple(int(value * 0.55) for value in colour)
    for part, shade in ((band.outer, dark), (band.inner, pale)):
        solid = part.view(np.uint8)
        for line in cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]:
            _dashed(picture, line[:, 0], shade, thickness)


def _dashed(
    picture: np.ndarray, points: np.ndarray, colour: tuple[int, ...], thickness: int
) -> None:
    step = max(3, math.ceil(max(picture.shape[:2]) / 100))
    for begin in range(0, len(points), 2 * step):
        piece = points[begin : begin + step].reshape(-1, 1, 2)
        cv2.polylines(picture, [piece], False, colour, thickness, cv2.LINE_AA)


def move_aside(out: Path, names: Sequence[str]) -> None:
    """The results of pictures that a person should look at, into a folder of their own."""
    for name in names:
        for kind in MOVED:
            for file in (out / kind).glob(f"{name}.*"):
                goal = out / ASIDE / kind / file.relative_to(out / kind)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, goal)
