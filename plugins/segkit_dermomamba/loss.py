"""Guide Fusion Loss: cross entropy and a Dice term that looks at the border.

A = 1 / (1 + d), d the distance of a pixel to the nearest pixel of the other class. The paper's
formula was not to be had: `legacy` is the released code, `scalar` its smallest repair, `spatial`
what "boundary-guided" seems to mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.errors import UsageError
from segkit.ops.distance import border_distance, squared_distance, unreachable
from segkit_dermomamba import GuideFusionConfig

_FAR = 1 << 29  # a squared distance beyond every image and batch


def border_weight(mask: Tensor) -> Tensor:
    """A per image of a binary mask (B,H,W): 1/2 beside the border; 1 where there is no border."""
    distance = border_distance(mask)
    return torch.where(distance.isinf(), 1.0, 1 / (1 + distance))


def soft_dice(probability: Tensor, mask: Tensor, weight: Tensor | float, smooth: float) -> Tensor:
    """Weighted soft Dice of each image, (B,H,W) -> (B,)."""
    overlap = (weight * probability * mask).flatten(1).sum(1)
    total = (weight * probability).flatten(1).sum(1) + (weight * mask).flatten(1).sum(1)
    return (2 * overlap + smooth) / (total + smooth)


def spatial(logits: Tensor, mask: Tensor, smooth: float) -> Tensor:
    """Per image: cross entropy plus one minus the Dice whose every term A weighs."""
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").mean((1, 2))
    dice = soft_dice(logits.sigmoid(), mask, border_weight(mask), smooth)
    return (entropy + 1 - dice).mean()


def scalar(logits: Tensor, mask: Tensor, smooth: float) -> Tensor:
    """Per image: cross entropy plus mean(A) times one minus the Dice."""
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").mean((1, 2))
    dice = soft_dice(logits.sigmoid(), mask, 1.0, smooth)
    return (entropy + border_weight(mask).mean((1, 2)) * (1 - dice)).mean()


def legacy(logits: Tensor, mask: Tensor, smooth: float) -> Tensor:
    """As released: a second sigmoid inside the cross entropy, Dice and distances over the batch."""
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(probability, mask)
    dice = soft_dice(probability[None], mask[None], 1.0, smooth)[0]
    return entropy + (1 - dice) * legacy_weight(mask).mean()


def legacy_weight(mask: Tensor) -> Tensor:
    """A with distances that also run along the batch axis: neighbours change one another's map."""
    inside = mask != 0
    distance = _batch_distance(inside) + _batch_distance(~inside)
    return 1 / (1 + distance)


def _batch_distance(mask: Tensor) -> Tensor:
    """Distance to the nearest zero of the whole (B,H,W) block, all three axes one pixel apart."""
    plane = squared_distance(mask)
    nowhere = plane == unreachable(mask)  # images without a zero of their own
    plane = plane.masked_fill(nowhere, _FAR)
    item = torch.arange(mask.shape[0], dtype=plane.dtype, device=mask.device)
    squared = torch.stack([(plane + (item - i)[:, None, None] ** 2).amin(0) for i in item])
    return torch.where(nowhere.all(), _phantom(mask), squared).float().sqrt()


def _phantom(mask: Tensor) -> Tensor:
    """Squared distances to the point (-1, 0, 0), which scipy measures to when there is no zero."""
    batch, height, width = (
        torch.arange(length, device=mask.device, dtype=torch.int32) for length in mask.shape
    )
    plane = height[:, None] ** 2 + width**2
    return (batch[:, None, None] + 1) ** 2 + plane


VARIANTS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "spatial": spatial,
    "scalar": scalar,
    "legacy": legacy,
}


class GuideFusionLoss:
    """logits (B,1,H,W), mask (B,H,W) of 0 and 1 -> scalar; computed in at least float32."""

    def __init__(self, config: GuideFusionConfig | None = None):
        self.config = config or GuideFusionConfig()
        self._variant = VARIANTS[self.config.variant]

    def __call__(self, logits: Tensor, mask: Tensor) -> Tensor:
        if logits.shape[1] != 1:
            raise UsageError(
                f"guide_fusion got {logits.shape[1]} logit channels",
                "its border map is that of one class against the background",
                "Use --set model.num_classes=1, or another loss.",
            )
        logits = logits[:, 0]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        truth = (mask > 0).to(logits.dtype)  # a mask of 0 and 255 means the same
        return self._variant(logits, truth, self.config.smooth)
