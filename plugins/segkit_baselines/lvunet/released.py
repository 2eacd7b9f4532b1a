"""The released names of LV-UNet: as trained, and fused for inference."""

from __future__ import annotations

from typing import Any

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

PARTS = (("stages", "down", 0), ("up_stages1", "up", 0), ("up_stages2", "up", 3))
ENCODER = (
    ("firstconv", "stem"),
    ("encoder{i}.{j}.block.{k}", "encoder.{i-1}.{j}.block.{k}"),
)
TRAINED = (("conv1", "conv1"), ("conv2", "conv2"), ("act.bn", "norm"), ("act", "look"))
FUSED = (("conv", "conv"), ("act", "look"))


def _layout(block: tuple[tuple[str, str], ...], **settings: Any) -> Layout:
    lines = [
        line
        for old, new, shift in PARTS
        for line in under(f"{old}.{{i}}.", f"{new}.{{i+{shift}}}.", *block)
    ]
    last = under("final.0.", "last.", *block)
    return Layout(*ENCODER, *lines, *last, ("final.1", "head"), told=lambda state: settings)


LAYOUTS = {"original": _layout(TRAINED), "fused": _layout(FUSED, fused=True, slope=1.0)}
