"""The released names of EGE-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import SKELETON, WRAPPED

LAYOUT = Layout(
    ("GAB{i}.g{k}", "gabs.{5-i}.groups.{k}"),
    ("GAB{i}.tail_conv", "gabs.{5-i}.tail"),
    ("GAB{i}", "gabs.{5-i}"),
    ("gt_conv{i}.0", "masks.{i-1}"),
    *WRAPPED,
    *SKELETON,
)
