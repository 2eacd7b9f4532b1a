"""The figures that watch a training: loss, per-image and pooled scores, at network size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.data.loader import Loader
from segkit.engine import distributed
from segkit.engine.training.objective import Objective
from segkit.metrics.confusion import Counts, class_counts, counts
from segkit.recipe import FIGURES


@torch.no_grad()
def validate(
    network: nn.Module,
    loader: Loader,
    objective: Objective,
    threshold: float = 0.5,
    autocast: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """The validation figures of a network; every process gets those of all pictures."""
    was_training = network.training
    network.eval()
    found: dict[int, Any] = {}
    for batch in loader.epoch():
        with autocast() if autocast else torch.inference_mode():
            logits = network(batch.image)
        logits = logits.float()
        loss = objective.one(logits, batch.mask)
        found[batch.index] = (len(batch.ids), loss, *_counted(logits, batch.mask, threshold))
    network.train(was_training)
    return _figures(distributed.gather_dict({i: _host(row) for i, row in found.items()}))


def _counted(logits: Tensor, mask: Tensor, threshold: float) -> tuple[Counts, Tensor]:
    """Confusion counts (per image, or per image and class) and soft Dice per image."""
    classes = logits.shape[1]
    if classes == 1:
        probability = logits[:, 0].sigmoid()
        return counts(probability >= threshold, mask), _soft(probability, mask > 0)
    shares = logits.softmax(1)
    foreground = 1 - shares[:, 0]
    if classes == 2:
        return counts(shares[:, 1] > shares[:, 0], mask), _soft(foreground, mask > 0)
    found = class_counts(logits.argmax(1), mask, classes)
    parts = (
        torch.from_numpy(np.array(part[:, 1:])) for part in (found.tp, found.fp, found.fn, found.tn)
    )
    return Counts(*parts), _soft(foreground, mask > 0)


def _soft(probability: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice per image; two empty sides count 1."""
    both = 2 * (probability * truth).sum((1, 2))
    total = probability.sum((1, 2)) + truth.sum((1, 2))
    return torch.where(total > 0, both / total.clamp_min(1e-12), 1.0)


def _host(row: tuple[int, Tensor, Counts, Tensor]) -> tuple[Any, ...]:
    size, loss, found, soft = row
    arrays = [np.asarray(torch.as_tensor(part).cpu()) for part in vars(found).values()]
    return size, float(loss), arrays, soft.double().cpu().numpy()


def _figures(rows: dict[int, Any]) -> dict[str, Any]:
    """Means over all pictures, summed in batch order, whoever had them."""
    ordered = [rows[index] for index in sorted(rows)]
    if not ordered:
        return dict.fromkeys(FIGURES, math.nan)
    total = sum(row[0] for row in ordered)
    found = Counts(*(np.concatenate([row[2][i] for row in ordered]) for i in range(4)))
    pooled = found.pooled()
    soft = np.concatenate([row[3] for row in ordered])
    predicted = int(found.area_prediction().sum())
    return {
        "loss": sum(row[0] * row[1] for row in ordered) / total,
        "dice_image": float(found.dice().mean()),
        "iou_image": float(found.iou().mean()),
        "dice_pooled": float(np.mean(pooled.dice())),
        "iou_pooled": float(np.mean(pooled.iou())),
        "dice_soft": float(soft.mean()),
        "predicted_share": predicted / int(found.pixels().sum()),
        "true_share": int(found.area_truth().sum()) / int(found.pixels().sum()),
    }


def score_of(figures: dict[str, Any], select: str) -> float:
    """The figure that selects: a name or a sum ("dice_image+iou_image"); loss counts negative."""
    parts = [name.strip() for name in select.split("+")]
    return sum(-figures[name] if name == "loss" else figures[name] for name in parts)
