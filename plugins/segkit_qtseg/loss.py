"""QTSeg's loss: mean cross entropy plus soft Dice, over at least two softmax classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.errors import UsageError

if TYPE_CHECKING:
    from segkit_qtseg import CeDiceConfig


class CeDice:
    """ce · CE + dice · Dice; K = 2 scores the foreground only, K > 2 sums over all classes."""

    def __init__(self, config: CeDiceConfig):
        self.config = config

    def __call__(self, logits: Tensor, mask: Tensor) -> Tensor:
        if logits.shape[1] < 2:
            raise UsageError(
                "loss 'ce_dice' needs at least two classes",
                "cross entropy over one channel is always zero",
                "Use --set loss.name=bce_dice, or --set model.num_classes=2.",
            )
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        dice = dice_loss(logits, mask, self.config.smooth)
        return self.config.ce * F.cross_entropy(logits, mask) + self.config.dice * dice


def dice_loss(logits: Tensor, mask: Tensor, smooth: float = 1e-6) -> Tensor:
    """1 - soft Dice per image, then the batch mean; K > 2: summed over every class."""
    probability = logits.softmax(dim=1).flatten(2)
    truth = F.one_hot(mask, logits.shape[1]).flatten(1, 2).transpose(1, 2).to(probability.dtype)
    if logits.shape[1] == 2:
        probability, truth = probability[:, 1:], truth[:, 1:]
    overlap = (probability * truth).sum(-1)
    score = (2 * overlap + smooth) / (probability.sum(-1) + truth.sum(-1) + smooth)
    return (1 - score).sum(dim=1).mean()
