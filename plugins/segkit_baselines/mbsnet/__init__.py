"""MBSNet: a local and a global branch with crossed fusion (Scientific Reports 2023)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class MBSNetConfig:
    """Widths of the local branch; the global one takes the first three of them."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)


ARCHITECTURE = Architecture(
    name="mbsnet",
    summary="A local branch to a 16th, a dilated global one to a quarter, fused crosswise.",
    make="segkit_baselines.mbsnet.model:MBSNet",
    config=MBSNetConfig,
    paper=Paper(
        "MBSNet: a multi-branch medical image segmentation network based on local and global "
        "features",
        "Jin et al.",
        2023,
        "Scientific Reports 13:6762",
        "https://github.com/YuLionel/MBSNet",
    ),
    published=Published(
        None,
        10.68,
        "3x320x320",
        "the paper",
        "the published 'GFLOPs' are multiply-adds, norms counted in",
    ),
    multiple=16,
    params=3_977_361,
    weights="segkit_baselines.mbsnet.released:LAYOUT",
    recipes=dict(LIGHT),
    notes=("only the network is released, not its training: there is no recipe of the paper",),
)
