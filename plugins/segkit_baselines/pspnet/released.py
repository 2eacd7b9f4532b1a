"""The released names of PSPNet (semseg)."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import resnet

LAYOUT = Layout(
    ("layer0.0", "stem.0"),
    ("layer0.1", "stem.1"),
    ("layer0.3", "stem.3.0"),
    ("layer0.4", "stem.3.1"),
    ("layer0.6", "stem.4.0"),
    ("layer0.7", "stem.4.1"),
    *resnet("stages.{i-1}"),
    ("ppm.features.{i}.1", "pyramid.levels.{i}.0"),
    ("ppm.features.{i}.2", "pyramid.levels.{i}.1"),
    ("cls.0", "head.0.0"),
    ("cls.1", "head.0.1"),
    ("cls.4", "head.2"),
    ("aux.0", "auxiliary.0.0"),
    ("aux.1", "auxiliary.0.1"),
    ("aux.4", "auxiliary.2"),
)
