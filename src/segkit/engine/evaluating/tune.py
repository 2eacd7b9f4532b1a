"""Threshold, cleaning and temperature: chosen on the validation part, shown on the test part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from segkit.data.store import PreparedSet
from segkit.engine.evaluating.cases import windows
from segkit.engine.predicting.masks import foreground
from segkit.engine.predicting.sliding import as_numpy
from segkit.metrics.calibration import LEVELS, counts_at_levels, histogram
from segkit.metrics.confusion import counts
from segkit.metrics.probability import temperature

if TYPE_CHECKING:
    from segkit.engine.predicting.segmenter import Segmenter

Clean = Callable[[np.ndarray], np.ndarray]
STEP = 4  # of the 256 levels, every fourth is drawn


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Only the largest connected part (8 neighbours)."""
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    many, labels, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if many <= 2:
        return mask
    return labels == 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Background that does not reach the image border becomes foreground."""
    ground = np.pad(np.ascontiguousarray(~mask, dtype=np.uint8), 1, constant_values=1)
    labels = cv2.connectedComponents(ground, connectivity=4)[1][1:-1, 1:-1]
    outside = cv2.connectedComponents(ground, connectivity=4)[1][0, 0]
    return labels != outside


CLEANINGS: dict[str, Clean] = {
    "none": lambda mask: mask,
    "largest": largest_part,
    "fill": fill_holes,
    "largest+fill": lambda mask: fill_holes(largest_part(mask)),
}


def tune(
    segmenter: Segmenter,
    prepared: PreparedSet,
    val: Sequence[str],
    test: Sequence[str],
    batch: int = 16,
) -> dict[str, Any]:
    """Choose on `val`, apply to `test`: mean Dice over images before and after; temperature too."""
    before, after = _Part(segmenter, prepared, val, batch), _Part(segmenter, prepared, test, batch)
    level = int(before.curve().argmax())
    cleaning = max(CLEANINGS, key=lambda name: before.cleaned(name))
    return {
        "chosen_on": "val",
        "at": "prepared",
        "n_val": len(val),
        "threshold": {
            "chosen": level / LEVELS,
            "val_dice_image": float(before.curve()[level]),
            "test_dice_image": float(after.curve()[level]),
            "test_dice_image_default": after.cleaned("none"),
            "curve": [[i / LEVELS, float(before.curve()[i])] for i in range(STEP, LEVELS, STEP)],
        },
        "post_processing": {
            "chosen": cleaning,
            "val_dice_image": {name: before.cleaned(name) for name in CLEANINGS},
            "test_dice_image": after.cleaned(cleaning),
            "test_dice_image_default": after.cleaned("none"),
        },
        "temperature": temperature.report(before.logits, after.logits),
    }


class _Part:
    """What the choice needs of one part: histograms, and Dice after each cleaning."""

    def __init__(self, segmenter: Segmenter, prepared: PreparedSet, ids: Sequence[str], batch: int):
        rows = [prepared.index(name) for name in ids]
        self.found: list[np.ndarray] = []
        self.logits = np.zeros((2, temperature.STEPS), np.int64)
        self.dice: dict[str, list[np.ndarray]] = {name: [] for name in CLEANINGS}
        for start in range(0, len(rows), batch):
            chosen = rows[start : start + batch]
            images = np.stack([prepared.images[row] for row in chosen])
            truth = np.stack([prepared.masks[row] for row in chosen]) != 0
            probability = as_numpy(segmenter.probabilities(images))
            front = np.stack([foreground(one) for one in probability])
            for which, (high, wide) in windows(prepared, chosen):
                inside = (which, slice(0, high), slice(0, wide))
                self._add(front[inside], truth[inside], segmenter)

    def _add(self, front: np.ndarray, truth: np.ndarray, segmenter: Segmenter) -> None:
        self.found.append(histogram(front, truth))
        self.logits += temperature.logit_histogram(front, truth)
        masks = front > segmenter.threshold
        for name, clean in CLEANINGS.items():
            cleaned = np.stack([clean(mask) for mask in masks])
            self.dice[name].append(counts(cleaned, truth).dice())

    def curve(self) -> np.ndarray:
        """Mean Dice over images at each of 256 thresholds."""
        return np.asarray(counts_at_levels(np.concatenate(self.found)).dice().mean(0))

    def cleaned(self, name: str) -> float:
        """Mean Dice over images after a cleaning."""
        return float(np.concatenate(self.dice[name]).mean())
