"""The released names of H2Former."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from segkit.nn.renaming import Layout, State
from segkit_baselines.renamings import under


def _window(state: State) -> Mapping[str, Any]:
    """A window of m has a table of (2m − 1)² rows."""
    table = state.get("stages.0.blocks.0.attn.table")
    return {} if table is None else {"window": (math.isqrt(table.shape[0]) + 1) // 2}


LAYOUT = Layout(
    ("conv1", "stem.0"),
    ("bn1", "stem.1"),
    ("layer{i}.{j}.downsample", "stages.{i-1}.residual.{j}.shortcut"),
    ("layer{i}.{j}", "stages.{i-1}.residual.{j}"),
    *under(
        "swin_layers.{i}.blocks.{j}.",
        "stages.{i}.blocks.{j}.",
        ("attn.relative_position_bias_table", "attn.table"),
        ("attn", "attn"),
        ("mlp.eca.conv", "mlp.attention.conv"),
        ("mlp", "mlp"),
        ("norm1", "norm1"),
        ("norm2", "norm2"),
    ),
    ("patch_embed.projs.{i}", "stages.0.patches.convs.{i}"),
    ("patch_embed.eca.conv", "stages.0.patches.attention.conv"),
    ("patch_embed.norm", "stages.0.patches.norm"),
    ("MS{i}.reductions.0.0", "stages.{i-1}.patches.small"),
    ("MS{i}.reductions.1.0", "stages.{i-1}.patches.large"),
    ("MS{i}.eca.conv", "stages.{i-1}.patches.attention.conv"),
    ("MS{i}.norm", "stages.{i-1}.patches.norm"),
    ("decode{i}.up", "decoder.{4-i}.up"),
    ("decode{i}.conv_bn_relu", "decoder.{4-i}.conv"),
    ("decode0.1", "head"),
    # computed from the size of the windows
    ignored=(r".*\.attn_mask", r".*\.relative_position_index"),
    told=_window,
)
