"""The named policies: plain ones, and the lists of the papers."""

from __future__ import annotations

from segkit import plugins
from segkit.api import Augmentation, resolve
from segkit.data.augmenting.operations import (
    Blur,
    Brightness,
    ColourJitter,
    Contrast,
    CropResize,
    CutOut,
    Elastic,
    FlipX,
    FlipY,
    Gamma,
    Noise,
    PiecewiseAffine,
    QuarterTurn,
    Rotate,
    Scale,
    Shear,
    Shift,
)
from segkit.data.augmenting.policy import Policy
from segkit.data.augmenting.skin import Hair, Vignette
from segkit.data.augmenting.stains import Grey, Invert

NONE = Policy("none")

FLIPS = Policy("flips", (FlipX(), FlipY()))

TURNS = Policy("turns", (FlipX(), FlipY(), QuarterTurn()))

LIGHT = Policy(
    "light",
    (FlipX(), FlipY(), QuarterTurn(), Contrast((0.9, 1.1)), Brightness((-0.1, 0.1))),
)

STRONG = Policy(
    "strong",
    (
        FlipX(),
        FlipY(),
        QuarterTurn(),
        Rotate((-45, 45)),
        Scale((0.75, 1.33)),
        Shear((-8, 8), p=0.3),
        Shift((-0.1, 0.1)),
        Elastic(),
        ColourJitter(),
        Contrast((0.7, 1.3), per_channel=0.3),
        Brightness(),
        Gamma(),
        Blur((0.5, 1.5), p=0.2),
        Noise((1, 8), p=0.2),
        CutOut(),
    ),
)

DERMOSCOPY = Policy(
    "dermoscopy",
    (
        FlipX(),
        FlipY(),
        QuarterTurn(),
        Rotate((-45, 45)),
        Scale((0.6, 1.5)),
        Shear((-8, 8), p=0.2),
        Shift((-0.15, 0.15), p=0.3),
        ColourJitter((0.6, 1.4), (-20, 20), p=0.6),
        Contrast((0.7, 1.3), per_channel=0.3),
        Brightness((-0.15, 0.15)),
        Gamma((0.7, 1.4)),
        Hair(),
        Vignette(),
        Blur((0.5, 1.5), p=0.1),
        Noise((1, 6), p=0.1),
    ),
)

NUCLEI = Policy(
    "nuclei",
    (
        FlipX(),
        FlipY(),
        QuarterTurn(),
        Rotate((-45, 45)),
        Scale((0.5, 1.5)),
        Elastic(p=0.3),
        ColourJitter((0.6, 1.4), (-20, 20), p=0.5),
        Grey(),
        Invert(),
        Contrast((0.6, 1.4), per_channel=0.3),
        Brightness((-0.15, 0.15)),
        Gamma((0.7, 1.4)),
        Blur((0.5, 1.5), p=0.2),
        Noise((1, 8), p=0.2),
    ),
)

QTSEG = Policy(
    "qtseg",
    (
        FlipY(),
        FlipX(),
        Noise((1.275, 1.275), p=1),
        Blur((1, 1), p=1),
        Contrast((0.5, 1.5), per_channel=0.5, p=1),
        Scale((0.5, 2), apart=True, p=1),
        Rotate((-40, 40), p=1),
        Shear((-16, 16), p=1),
        PiecewiseAffine(p=1),
        Shift((-0.2, 0.2), p=1),
    ),
    pick=(0, 4),
)

DERMOMAMBA = Policy(
    "dermomamba",
    (CropResize((0.80, 0.95), p=0.1), Rotate((-15, 15)), FlipX(), FlipY()),
)

VMPANET = Policy(
    "vmpanet",
    (FlipX(), FlipY(), Rotate((0, 360))),
)

EAMNET = Policy(
    "eamnet",
    (FlipX(), FlipY(), Rotate((-30, 30), p=1)),
)

ULITE = Policy(
    "ulite",
    (FlipX(), FlipY(), Rotate((-15, 15))),
)

POLICIES = {
    policy.name: policy
    for policy in (
        NONE,
        FLIPS,
        TURNS,
        LIGHT,
        STRONG,
        DERMOSCOPY,
        NUCLEI,
        QTSEG,
        DERMOMAMBA,
        VMPANET,
        EAMNET,
        ULITE,
    )
}


def policy(name: str) -> Policy:
    """A policy by name, of any distribution."""
    value: Augmentation = plugins.get("augmentations", name)
    made: Policy = resolve(value.make)()
    return made
