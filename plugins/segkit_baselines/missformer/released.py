"""The released names of MISSFormer."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

MLP = (("dwconv.dwconv", "dw"), *((n, n) for n in ("fc1", "fc2", "norm1", "norm2", "norm3")))
BLOCK = (
    ("attn.sr", "attention.reduce"),
    ("attn", "attention"),
    *under("mlp.", "mlp.", *MLP),
    ("norm1", "norm1"),
    ("norm2", "norm2"),
)


def _level(old: str, new: str) -> tuple[tuple[str, ...], ...]:
    return (
        (f"{old}.concat_linear", f"{new}.join"),
        (f"{old}.layer_up", f"{new}.expand"),
        *under(f"{old}.layer_former_{{k}}.", f"{new}.blocks.{{k-1}}.", *BLOCK),
    )


LAYOUT = Layout(
    ("backbone.patch_embed{i}.proj", "encoder.{i-1}.embed"),
    ("backbone.patch_embed{i}.norm", "encoder.{i-1}.embed_norm"),
    *under("backbone.block{i}.{j}.", "encoder.{i-1}.blocks.{j}.", *BLOCK),
    ("backbone.norm{i}", "encoder.{i-1}.norm"),
    *under(
        "bridge.bridge_layer{i}.",
        "bridge.{i-1}.",
        ("attn.scale_reduce.sr{k}", "attention.reduce.{k}"),
        ("attn.scale_reduce.norm", "attention.norm"),
        ("attn", "attention"),
        *under("mixffn{k}.", "mlps.{k-1}.", *MLP),
        ("norm1", "norm1"),
        ("norm2", "norm2"),
    ),
    ("decoder_0.last_layer", "head"),
    *_level("decoder_3", "deepest"),
    *_level("decoder_{i}", "decoder.{2-i}"),
)
