"""What several descriptions share: the size of the published figures, notes, the common recipe."""

from __future__ import annotations

AT_256 = "3x256x256"
MACS = "the published 'GFLOPs' are multiply-adds, half of the FLOPs that segkit counts"
MACS_AND_NORMS = "the published 'GFLOPs' are multiply-adds, norms counted in"
LIGHT = {"light": "segkit_baselines:light.toml"}  # equal terms for all


Rules = tuple[tuple[str, str], ...]  # a whole name of known weights -> its name here


def torchvision_resnet(stem: str, stages: str) -> Rules:
    """Names of torchvision's ResNets under ours; `stages` holds `{}` for the stage's number."""
    rules = [(r"conv1\.(.*)", rf"{stem}.0.\1"), (r"bn1\.(.*)", rf"{stem}.1.\1")]
    for number in range(4):
        ours, theirs = stages.format(number), rf"layer{number + 1}\.(\d+)\."
        rules += [
            (theirs + r"((?:conv|bn)\d\..*)", rf"{ours}.\1.\2"),
            (theirs + r"downsample\.(\d\..*)", rf"{ours}.\1.shortcut.\2"),
        ]
    return tuple(rules)


def vmamba(prefix: str, encoder: str) -> Rules:
    """Names of VMamba's first release: blocks and mergings."""
    return (
        (r"layers\.(\d)\.blocks\.(\d+)\.(.*)", rf"{prefix}{encoder}.\1.\2.\3"),
        (r"layers\.(\d)\.downsample\.(.*)", rf"{prefix}merges.\1.\2"),
    )
