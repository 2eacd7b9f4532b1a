"""Losses for segmentation: each takes logits (B, K, H, W) and a mask (B, H, W) of class indices.

K = 1 means a sigmoid and a mask of 0 and 1; K channels mean a softmax over classes, background
included.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Loss


@dataclass(frozen=True)
class DiceConfig:
    """`smooth` is added to both sides of the fraction; `per_image` averages images, else pools
    them.
    """

    smooth: float = 1.0
    per_image: bool = True


@dataclass(frozen=True)
class BceDiceConfig:
    """Weights of the two terms."""

    bce: float = 1.0
    dice: float = 1.0
    smooth: float = 1.0
    per_image: bool = True


@dataclass(frozen=True)
class FocalConfig:
    """`alpha` weighs the foreground, `gamma` plays down the easy pixels."""

    alpha: float = 0.25
    gamma: float = 2.0


@dataclass(frozen=True)
class TverskyConfig:
    """`alpha` weighs false negatives, `beta` false positives; `gamma` is the focal exponent."""

    alpha: float = 0.7
    beta: float = 0.3
    smooth: float = 1.0
    gamma: float = 1.0


BCE = Loss(
    "bce",
    "Cross entropy: binary for one logit, over classes for several.",
    "segkit_losses.region:make_cross_entropy",
)
DICE = Loss(
    "dice",
    "Soft Dice, per image or pooled over the batch.",
    "segkit_losses.region:make_dice",
    DiceConfig,
)
BCE_DICE = Loss(
    "bce_dice",
    "Cross entropy plus soft Dice, the usual pair.",
    "segkit_losses.region:make_bce_dice",
    BceDiceConfig,
)
FOCAL = Loss(
    "focal",
    "Focal loss: cross entropy that plays down easy pixels.",
    "segkit_losses.region:make_focal",
    FocalConfig,
)
TVERSKY = Loss(
    "tversky",
    "Tversky: Dice with separate weights for misses and false alarms.",
    "segkit_losses.region:make_tversky",
    TverskyConfig,
)
LOVASZ = Loss(
    "lovasz",
    "Lovász hinge or softmax: the convex extension of the Jaccard index.",
    "segkit_losses.lovasz:make_lovasz",
)
