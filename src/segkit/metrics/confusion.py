"""Confusion counts and the overlap scores that follow from them.

Counts are kept per image, so that every score exists twice: `_image` (mean over images) and
`_pooled` (one matrix over all pixels). Empty masks follow one rule: where a score is 0/0 both
sides are empty and it is 1; where only one side is empty it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.errors import UsageError
from segkit.metrics.table import OVERLAP as SCORES

if TYPE_CHECKING:
    import torch

    Array = np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Counts:
    """Pixels of each kind, one entry per image (or scalars once pooled); numpy or torch."""

    tp: Any
    fp: Any
    fn: Any
    tn: Any

    def dice(self) -> Any:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def iou(self) -> Any:
        """TP / (TP + FP + FN), the Jaccard index."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    def accuracy(self) -> Any:
        """Share of pixels that are right."""
        return _ratio(self.tp + self.tn, self.pixels())

    def sensitivity(self) -> Any:
        """TP / (TP + FN), recall; empty truth: 1 if nothing is predicted, else 0."""
        return _share(self.tp, self.tp + self.fn, self.fp)

    def specificity(self) -> Any:
        """TN / (TN + FP); no background in truth: 1 if none is predicted, else 0."""
        return _share(self.tn, self.tn + self.fp, self.fn)

    def precision(self) -> Any:
        """TP / (TP + FP); empty prediction: 1 if the truth is empty too, else 0."""
        return _share(self.tp, self.tp + self.fp, self.fn)

    def mae(self) -> Any:
        """Share of pixels that are wrong: the mean absolute error of the masks, 1 - accuracy."""
        return _ratio(self.fp + self.fn, self.pixels())

    def pixels(self) -> Any:
        """All pixels."""
        return self.tp + self.fp + self.fn + self.tn

    def area_truth(self) -> Any:
        """Foreground pixels of the truth."""
        return self.tp + self.fn

    def area_prediction(self) -> Any:
        """Foreground pixels of the prediction."""
        return self.tp + self.fp

    def scores(self) -> dict[str, Any]:
        """Every score under its short name, see `SCORES`."""
        values = (self.dice(), self.iou(), self.accuracy(), self.sensitivity())
        rest = (self.specificity(), self.precision(), self.mae())
        return dict(zip(SCORES, values + rest, strict=True))

    def pooled(self) -> Counts:
        """One matrix over all images."""
        return Counts(self.tp.sum(0), self.fp.sum(0), self.fn.sum(0), self.tn.sum(0))

    def inverted(self) -> Counts:
        """The same counts with background as the class that is scored."""
        return Counts(self.tn, self.fn, self.fp, self.tp)

    def numpy(self) -> Counts:
        """The counts as int64 arrays on the host."""
        return Counts(*(_to_numpy(item) for item in (self.tp, self.fp, self.fn, self.tn)))

    def __len__(self) -> int:
        return len(self.tp)


def counts(prediction: Array, truth: Array) -> Counts:
    """Counts per image of masks (B, H, W), or of one (H, W), on their device; nonzero counts."""
    _check(prediction, truth)
    if isinstance(prediction, np.ndarray):
        return _counts_numpy(_stacked(prediction), _stacked(np.asarray(truth)))
    return _counts_torch(_stacked(prediction), _stacked(truth))


def class_counts(prediction: Array, truth: Array, classes: int) -> Counts:
    """One-versus-rest counts (B, K) of class-index masks (B, H, W)."""
    _check(prediction, truth)
    p, t = _to_numpy(_stacked(prediction)), _to_numpy(_stacked(truth))
    matrix = np.stack([_matrix(one, other, classes) for one, other in zip(p, t, strict=True)])
    tp = np.diagonal(matrix, axis1=1, axis2=2)
    fp, fn = matrix.sum(1) - tp, matrix.sum(2) - tp
    return Counts(tp, fp, fn, matrix.sum((1, 2))[:, None] - tp - fp - fn)


def concatenate(parts: list[Counts]) -> Counts:
    """The counts of several batches as one."""
    hosts = [part.numpy() for part in parts]
    names = ("tp", "fp", "fn", "tn")
    return Counts(*(np.concatenate([getattr(host, name) for host in hosts]) for name in names))


def from_columns(columns: Mapping[str, Any]) -> Counts:
    """Counts from the columns tp, fp, fn, tn of a cases table."""
    return Counts(*(np.asarray(columns[name], dtype=np.int64) for name in ("tp", "fp", "fn", "tn")))


def _matrix(prediction: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    highest = max(int(prediction.max(initial=0)), int(truth.max(initial=0)))
    if highest >= classes:
        raise UsageError(
            f"a mask holds class {highest}", f"{classes} classes are declared, from 0 on"
        )
    code = truth.astype(np.int64).ravel() * classes + prediction.astype(np.int64).ravel()
    return np.bincount(code, minlength=classes * classes).reshape(classes, classes)


def _counts_numpy(prediction: np.ndarray, truth: np.ndarray) -> Counts:
    p = np.ascontiguousarray(prediction if prediction.dtype == bool else prediction != 0)
    t = np.ascontiguousarray(truth if truth.dtype == bool else truth != 0)
    both = np.logical_and(p[:1], t[:1])
    found = np.empty((3, len(p)), dtype=np.int64)
    for i in range(len(p)):  # count_nonzero without an axis runs at memory speed
        np.logical_and(p[i], t[i], out=both[0])
        found[:, i] = np.count_nonzero(both[0]), np.count_nonzero(p[i]), np.count_nonzero(t[i])
    tp, predicted, true = found
    pixels = p.shape[1] * p.shape[2]
    return Counts(tp, predicted - tp, true - tp, pixels - predicted - true + tp)


def _counts_torch(prediction: torch.Tensor, truth: torch.Tensor) -> Counts:
    p, t = prediction.bool().flatten(1), truth.bool().flatten(1)
    tp, predicted, true = (p & t).sum(1), p.sum(1), t.sum(1)
    return Counts(tp, predicted - tp, true - tp, p.shape[1] - predicted - true + tp)


def _check(prediction: Array, truth: Array) -> None:
    if tuple(prediction.shape) != tuple(truth.shape):
        shapes = f"{tuple(prediction.shape)} against {tuple(truth.shape)}"
        raise UsageError("prediction and truth differ in shape", shapes)
    if prediction.ndim not in (2, 3):
        raise UsageError("masks are (H, W) or (B, H, W)", f"got {tuple(prediction.shape)}")


def _stacked(mask: Any) -> Any:
    return mask if mask.ndim == 3 else mask[None]


def _ratio(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator with 0/0 = 1."""
    nothing = denominator == 0
    return _where(nothing, 1.0, _float(numerator) / _float(denominator + nothing))


def _share(hits: Any, size: Any, false: Any) -> Any:
    """hits / size; where size is 0, 1 if there is no `false` pixel either, else 0."""
    nothing = size == 0
    return _where(nothing, _float(false == 0), _float(hits) / _float(size + nothing))


def _where(condition: Any, one: Any, other: Any) -> Any:
    if isinstance(other, np.ndarray | np.generic | float):
        return np.where(condition, one, other)[()]
    return other.where(~condition, one)


def _float(value: Any) -> Any:
    """Double precision, except where the device has none."""
    if isinstance(value, np.ndarray | np.generic):
        return value.astype(np.float64)
    if isinstance(value, int | float | bool):
        return np.float64(value)
    return value.float() if value.device.type == "mps" else value.double()


def _to_numpy(value: Any) -> np.ndarray:
    return (
        value
        if isinstance(value, np.ndarray)
        else np.asarray(getattr(value, "cpu", lambda: value)())
    )
