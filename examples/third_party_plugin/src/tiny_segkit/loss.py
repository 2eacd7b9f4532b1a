"""The loss: `make(config)` gives a function of logits (B, K, H, W) and mask (B, H, W)."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from segkit.api import NoConfig


def make(config: NoConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """No settings."""
    return soft_iou


def soft_iou(logits: Tensor, mask: Tensor) -> Tensor:
    """1 − (P∧T + 1)/(P∨T + 1) of the foreground classes, the mean over images and classes."""
    if logits.shape[1] == 1:
        probability, target = logits.sigmoid(), mask.unsqueeze(1).to(logits.dtype)
    else:
        probability = logits.softmax(1)[:, 1:]
        target = F.one_hot(mask, logits.shape[1]).movedim(-1, 1)[:, 1:].to(logits.dtype)
    both = (probability * target).sum((2, 3))
    either = (probability + target).sum((2, 3)) - both
    return 1 - ((both + 1) / (either + 1)).mean()
