"""Every picture of a part through the network once: losses by radius, signs, Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.data.store import PreparedSet
from segkit.engine.evaluating.cases import own_geometry, predictions
from segkit.engine.predicting import tta
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.metrics.conformal import margins, signs
from segkit.metrics.confusion import counts

BATCH = 16


@dataclass(frozen=True)
class MeasuredPart:
    """What was measured on some pictures; rows in the order of `ids`."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]  # pictures that belong together share one
    losses: dict[tuple[str, str], np.ndarray]  # by class and side: (n, radii)
    shares: dict[str, np.ndarray]  # predicted share of the picture, by class
    signs: list[dict[str, float]]
    dice: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def chosen(self, which: np.ndarray) -> MeasuredPart:
        """Some of the pictures, by a truth value for each."""
        rows = np.flatnonzero(which)
        return MeasuredPart(
            tuple(self.ids[i] for i in rows),
            tuple(self.groups[i] for i in rows),
            {key: table[rows] for key, table in self.losses.items()},
            {key: column[rows] for key, column in self.shares.items()},
            [self.signs[i] for i in rows],
            self.dice[rows],
        )


def gather(
    segmenter: Any,
    prepared: PreparedSet,
    ids: Sequence[str],
    classes: Sequence[str],
    groups: dict[str, str],
    progress: Any = None,
) -> MeasuredPart:
    """Measure the pictures `ids`; `classes` with the background first."""
    scale = margins.radii(prepared.size)
    rows: list[dict[str, Any]] = []
    for places, probability, _ in predictions(segmenter, prepared, ids, BATCH):
        images = np.stack([prepared.images[place] for place in places])
        masks = masks_from(probability, segmenter.threshold)
        views = tta.mirrored_masks(segmenter, images)
        for i, place in enumerate(places):
            high, wide = own_geometry(prepared, place).content
            inside = (slice(0, high), slice(0, wide))
            picture = (foreground(probability[i])[inside], masks[i][inside], images[i][inside])
            truth = np.asarray(prepared.masks[place])[inside]
            one = _losses(picture[1], truth, classes, scale)
            one["signs"] = signs.read(
                picture[0], picture[1] != 0, picture[2], views[i][(slice(None), *inside)]
            )
            one["dice"] = float(
                counts((picture[1] != 0)[None], (truth != 0)[None]).scores()["dice"][0]
            )
            rows.append(one)
        if progress is not None:
            progress.advance(len(places))
    return _joined(rows, ids, classes, groups)


def _losses(
    mask: np.ndarray, truth: np.ndarray, classes: Sequence[str], scale: np.ndarray
) -> dict[str, Any]:
    losses, shares = {}, {}
    for index, name in _numbered(classes):
        ours, theirs = (m == index if len(classes) > 2 else m != 0 for m in (mask, truth))
        distance = margins.field(ours)
        losses[name, "outer"] = margins.missed(distance, theirs, scale).astype(np.float32)
        losses[name, "inner"] = margins.false_share(distance, theirs, scale).astype(np.float32)
        shares[name] = float(ours.mean())
    return {"losses": losses, "shares": shares}


def _numbered(classes: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(classes))[1:]


def _joined(
    rows: list[dict[str, Any]],
    ids: Sequence[str],
    classes: Sequence[str],
    groups: dict[str, str],
) -> MeasuredPart:
    names = [name for _, name in _numbered(classes)]
    keys = [(name, side) for name in names for side in margins.SIDES]
    return MeasuredPart(
        tuple(ids),
        tuple(groups.get(name, name) for name in ids),
        {key: np.array([row["losses"][key] for row in rows]) for key in keys},
        {name: np.array([row["shares"][name] for row in rows]) for name in names},
        [row["signs"] for row in rows],
        np.array([row["dice"] for row in rows]),
    )
