"""The released names of UltraLBM-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import SKELETON, WRAPPED, levels

LAYOUT = Layout(
    *levels(("0.sep_conv{k}", "sep_conv.{k-1}")), *WRAPPED, *SKELETON, ("k", "bridge.k")
)
