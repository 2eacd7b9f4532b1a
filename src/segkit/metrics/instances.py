"""Scores of instances: panoptic quality, aggregated Jaccard index, Dice of each component.

Boolean masks are cut into connected parts (8 neighbours), integer maps are taken as instances, so
touching nuclei stay apart where the truth keeps them apart. Both empty = 1, one empty = 0.
"""

from __future__ import annotations

import numpy as np

from segkit.metrics.objects import labels, shared_pixels


def instance_scores(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`pq`, `rq`, `sq` (Kirillov et al., CVPR 2019) and `aji` (Kumar et al., TMI 2017)."""
    shared = shared_pixels(labels(prediction), labels(truth))
    found, true = (side - 1 for side in shared.shape)
    if not found and not true:
        return dict.fromkeys(("pq", "rq", "sq", "aji"), 1.0)
    if not found or not true:
        return dict.fromkeys(("pq", "rq", "sq", "aji"), 0.0)
    union = shared.sum(1)[1:, None] + shared.sum(0)[None, 1:] - shared[1:, 1:]
    return {**_panoptic(shared[1:, 1:] / union), "aji": _aggregated_jaccard(shared, union)}


def _panoptic(overlap: np.ndarray) -> dict[str, float]:
    """Recognition (F1 of the pairs above an IoU of 0.5), segmentation (their IoU), the product."""
    hits = overlap[overlap > 0.5]
    recognition = 2 * hits.size / sum(overlap.shape)
    segmentation = float(hits.mean()) if hits.size else 0.0
    return {"pq": recognition * segmentation, "rq": recognition, "sq": segmentation}


def _aggregated_jaccard(shared: np.ndarray, union: np.ndarray) -> float:
    """Each true instance with its best prediction; what no true instance took adds to the union."""
    inside = shared[1:, 1:]
    best = (inside / union).argmax(0)
    true = np.arange(inside.shape[1])
    met = inside[best, true] > 0
    common = int(inside[best, true][met].sum())
    whole = int(union[best, true][met].sum()) + int(shared.sum(0)[1:][~met].sum())
    unused = np.ones(len(inside), bool)
    unused[best[met]] = False
    return common / (whole + int(shared.sum(1)[1:][unused].sum()))


def component_dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice over the lesions of a picture, as BraTS 2023 counts but without widening them.

    A true component is held against the union of the predicted ones that touch it; a predicted
    component that touches none counts as a lesion of Dice 0.
    """
    shared = shared_pixels(labels(prediction), labels(truth))
    found, true = (side - 1 for side in shared.shape)
    if not found and not true:
        return 1.0
    inside, areas = shared[1:, 1:], shared.sum(0)[1:]
    touching = inside > 0
    against = touching.T.astype(np.int64) @ shared.sum(1)[1:]
    dice = 2 * inside.sum(0) / (areas + against)
    return float(dice.sum() / (true + np.count_nonzero(~touching.any(1))))
