"""The augmentation policies as plugins, for checks that must not import numpy."""

from __future__ import annotations

from functools import partial

from segkit.api import Augmentation

OF_PAPERS = ("qtseg", "dermomamba", "vmpanet", "eamnet")  # whose networks segkit is about
SUFFIXES = (".json", ".yaml", ".yml")  # a saved albumentations pipeline


def _make(name: str) -> object:
    from segkit.data.augmenting.policies import POLICIES

    return POLICIES[name]


def _ours(name: str, summary: str) -> Augmentation:
    return Augmentation(name, summary, partial(_make, name))


NONE = _ours("none", "Pictures as they are.")
FLIPS = _ours("flips", "Each flip in half of the cases.")
TURNS = _ours("turns", "Each flip and a quarter turn.")
LIGHT = _ours("light", "Flips, quarter turns, a little contrast and brightness.")
STRONG = _ours("strong", "Everything, moderately: for small sets.")
DERMOSCOPY = _ours("dermoscopy", "For another source: colour, scale, hairs, dark corners.")
NUCLEI = _ours("nuclei", "For microscopes of any kind: both polarities, stains, scale.")
QTSEG = _ours("qtseg", "QTSeg: up to four of ten operations, in random order.")
DERMOMAMBA = _ours("dermomamba", "DermoMamba: rare crops, ±15 degrees, flips.")
VMPANET = _ours("vmpanet", "VMPANet: flips and any rotation, half of the cases each.")
EAMNET = _ours("eamnet", "EAM-Net: flips and ±30 degrees.")
ULITE = _ours("ulite", "U-Lite: flips and ±15 degrees, half of the cases each.")
NAMES = tuple(v.name for v in list(globals().values()) if isinstance(v, Augmentation))
