"""The released names of Mobile U-ViT."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import MLP, flat, twice, under

GLOBAL = (
    ("pos_embed", "position"),
    ("attn.LocalProp", "attn.spread"),
    *MLP,
    *((name, name) for name in ("norm1", "norm2", "attn")),
)
LOCAL = (
    ("pos_embed", "position"),
    ("conv1", "attn.0"),
    ("attn", "attn.1"),
    ("conv2", "attn.2"),
    ("mlp.fc1", "mlp.0"),
    ("mlp.fc2", "mlp.2"),
    ("norm1", "norm1"),
    ("norm2", "norm2"),
)
BLOCK, HERE = "patch_embeddings.layer{i}.block.{j}", "encoder.{i-1}.{j}"
LAYOUT = Layout(
    ("patch_embeddings.stem", "stem"),
    (f"{BLOCK}.0.fn", f"{HERE}.look"),
    *flat(f"{BLOCK}.1.fn", f"{HERE}.mix", 2),
    *(
        (f"patch_embeddings.layer{i}.up", f"encoder.{i - 1}.{n}")
        for i, n in ((1, 1), (2, 1), (3, 3))
    ),
    *under("lklgl_bottleneck.{i}.LocalAgg.", "local.{i}.0.", *LOCAL),
    *under("lklgl_bottleneck.{i}.SelfAttn.", "local.{i}.1.", *GLOBAL),
    *under("transformer_bottleneck.{i}.SelfAttn.", "transformer.{i}.", *GLOBAL),
    *twice("expend_dims.conv", "widen"),
    *twice("reduce_dims.conv", "narrow"),
    *twice("Up_conv{i}.conv", "fuse.{4-i}"),
    ("Up{i}.up.1", "up.{3-i}.0"),
    ("Up{i}.up.2", "up.{3-i}.1"),
)
