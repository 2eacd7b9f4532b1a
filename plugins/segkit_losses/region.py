"""Cross entropy, Dice, focal and Tversky losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.api import NoConfig
from segkit_losses import BceDiceConfig, DiceConfig, FocalConfig, TverskyConfig

LossFunction = Callable[[Tensor, Tensor], Tensor]


def foreground(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot targets of the foreground classes, both (B, C, H, W)."""
    if logits.shape[1] == 1:
        return logits.sigmoid(), mask.unsqueeze(1).to(logits.dtype)
    classes = logits.shape[1]
    target = F.one_hot(mask, classes).movedim(-1, 1).to(logits.dtype)  # (B, K, H, W)
    return logits.softmax(1)[:, 1:], target[:, 1:]


def cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """The mean over all pixels."""
    if logits.shape[1] == 1:
        target = mask.unsqueeze(1).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, target)
    return F.cross_entropy(logits, mask)


def soft_overlap(logits: Tensor, mask: Tensor, per_image: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Soft true positives, and the sums of prediction and truth, per (image and) class."""
    probability, target = foreground(logits, mask)
    axes = (2, 3) if per_image else (0, 2, 3)
    product = (probability * target).sum(axes)
    return product, probability.sum(axes), target.sum(axes)


def dice_loss(logits: Tensor, mask: Tensor, smooth: float = 1.0, per_image: bool = True) -> Tensor:
    """1 − (2·TP + s)/(P + T + s), the mean over images and foreground classes."""
    both, predicted, true = soft_overlap(logits, mask, per_image)
    return 1 - ((2 * both + smooth) / (predicted + true + smooth)).mean()


def make_cross_entropy(config: NoConfig) -> LossFunction:
    """Cross entropy has no settings."""
    return cross_entropy


def make_dice(config: DiceConfig) -> LossFunction:
    """Soft Dice with the settings bound."""
    return lambda logits, mask: dice_loss(logits, mask, config.smooth, config.per_image)


def make_bce_dice(config: BceDiceConfig) -> LossFunction:
    """The weighted sum of cross entropy and Dice."""

    def loss(logits: Tensor, mask: Tensor) -> Tensor:
        dice = dice_loss(logits, mask, config.smooth, config.per_image)
        return config.bce * cross_entropy(logits, mask) + config.dice * dice

    return loss


def make_focal(config: FocalConfig) -> LossFunction:
    """(1 − p_t)^γ times cross entropy; α weighs foreground, 1 − α background."""

    def loss(logits: Tensor, mask: Tensor) -> Tensor:
        if logits.shape[1] == 1:
            target = mask.to(logits.dtype)
            log_p = -F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")
        else:
            log_p = -F.cross_entropy(logits, mask, reduction="none")
        weight = torch.where(mask > 0, config.alpha, 1 - config.alpha)
        easy = (1 - log_p.exp()).clamp_min(0) ** config.gamma
        return (-weight * easy * log_p).mean()

    return loss


def make_tversky(config: TverskyConfig) -> LossFunction:
    """(1 − T)^γ with T = TP/(TP + α·FN + β·FP), the mean over images and foreground classes."""

    def loss(logits: Tensor, mask: Tensor) -> Tensor:
        both, predicted, true = soft_overlap(logits, mask, per_image=True)
        missed, false = true - both, predicted - both
        index = (both + config.smooth) / (
            both + config.alpha * missed + config.beta * false + config.smooth
        )
        # the clamp keeps the gradient of a fractional power finite at a perfect score
        return ((1 - index).clamp_min(1e-7) ** config.gamma).mean()

    return loss
