"""The released names of Swin-Unet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from segkit.nn.renaming import Layout, State
from segkit_baselines.renamings import MLP, under

BLOCK = (
    ("attn.relative_position_bias_table", "attn.table"),
    ("attn", "attn"),
    *MLP,
    ("norm1", "norm1"),
    ("norm2", "norm2"),
)


def _windows(state: State) -> Mapping[str, Any]:
    """A window of m has a table of (2m − 1)² rows."""
    tables = [state.get(f"encoder.{stage}.0.attn.table") for stage in range(4)]
    sides = [(math.isqrt(t.shape[0]) + 1) // 2 for t in tables if t is not None]
    return {"windows": tuple(sides)} if len(sides) == 4 else {}


LAYOUT = Layout(
    *under(
        "swin_unet.",
        "",
        ("patch_embed.proj", "patch"),
        ("patch_embed.norm", "patch_norm"),
        *under("layers.{i}.blocks.{j}.", "encoder.{i}.{j}.", *BLOCK),
        ("layers.{i}.downsample", "merges.{i}"),
        *under("layers_up.{i}.blocks.{j}.", "decoder.{i-1}.{j}.", *BLOCK),
        ("layers_up.0", "expands.0"),
        ("layers_up.{i}.upsample", "expands.{i}"),
        ("concat_back_dim.{i}", "joins.{i-1}"),
        ("norm", "norm"),
        ("norm_up", "norm_up"),
        ("up", "final"),
        ("output", "head"),
    ),
    # computed from the size of the windows
    ignored=(r".*\.attn_mask", r".*\.relative_position_index"),
    told=_windows,
)
