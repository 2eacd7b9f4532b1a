"""The released names of CMUNeXt."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import flat


def _stage(number: int, depth: int) -> tuple[tuple[str, str], ...]:
    """Blocks, then the widening convolution: its place here follows the blocks."""
    return ((f"encoder{number}.up.conv", f"encoder.{number - 1}.{depth}"),)


BLOCK, HERE = "encoder{i}.block.{j}", "encoder.{i-1}.{j}"
BLOCKS = (
    (f"{BLOCK}.0.fn", f"{HERE}.look"),
    *((f"{BLOCK}.{1 + kind}", f"{HERE}.wide.{kind}") for kind in (0, 2)),
    *((f"{BLOCK}.{4 + kind}", f"{HERE}.back.{kind}") for kind in (0, 2)),
)


def layout(depths: tuple[int, ...]) -> Layout:
    """The table for these depths."""
    return Layout(
        ("stem.conv", "stem"),
        *BLOCKS,
        *(line for i, depth in enumerate(depths, 1) for line in _stage(i, depth)),
        ("Up{i}.up.1", "up.{5-i}.0"),
        ("Up{i}.up.2", "up.{5-i}.1"),
        *flat("Up_conv{i}.conv", "fusion.{5-i}", 3),
        ("Conv_1x1", "head"),
    )


BASE, SMALL, LARGE = layout((1, 1, 1, 3, 1)), layout((1,) * 5), layout((1, 1, 1, 6, 3))
