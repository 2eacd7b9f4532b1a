"""What several descriptions share: the size of the published figures, notes, the common recipe."""

from __future__ import annotations

AT_256 = "3x256x256"
MACS = "the published 'GFLOPs' are multiply-adds, half of the FLOPs that segkit counts"
MACS_AND_NORMS = "the published 'GFLOPs' are multiply-adds, norms counted in"
LIGHT = {"light": "segkit_baselines:light.toml"}  # equal terms for all
