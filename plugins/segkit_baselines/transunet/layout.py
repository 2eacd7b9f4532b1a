"""The released names of a trained TransUNet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from segkit.nn.renaming import Layout, State
from segkit_baselines.renamings import under

BODY = "transformer.embeddings.hybrid_model.body.block{i}.unit{j}"


def _grid(state: State) -> Mapping[str, Any]:
    """The position table's length is a square there."""
    table = state.get("position")
    return {} if table is None else {"grid": (math.isqrt(table.shape[1]),) * 2}


LAYOUT = Layout(
    ("transformer.embeddings.hybrid_model.root.conv", "encoder.root.0"),
    ("transformer.embeddings.hybrid_model.root.gn", "encoder.root.1"),
    (f"{BODY}.downsample", "encoder.blocks.{i-1}.{j-1}.shortcut.0"),
    (f"{BODY}.gn_proj", "encoder.blocks.{i-1}.{j-1}.shortcut.1"),
    (BODY, "encoder.blocks.{i-1}.{j-1}"),
    ("transformer.embeddings.patch_embeddings", "embed"),
    ("transformer.embeddings.position_embeddings", "position"),
    *under(
        "transformer.encoder.layer.{i}.",
        "layers.{i}.",
        ("ffn.fc1", "ffn.0"),
        ("ffn.fc2", "ffn.3"),
        *((name, name) for name in ("attention_norm", "ffn_norm", "attn")),
    ),
    ("transformer.encoder.encoder_norm", "norm"),
    ("decoder.conv_more", "first"),
    ("decoder.blocks.{i}", "levels.{i}"),
    ("segmentation_head.0", "head"),
    told=_grid,
)
