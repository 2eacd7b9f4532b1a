"""The released names of UltraLight VM-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import BRIDGE, SKELETON, WRAPPED

LAYOUT = Layout(*WRAPPED, *SKELETON, *BRIDGE)
