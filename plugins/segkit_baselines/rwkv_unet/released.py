"""The released names of RWKV-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

TOKENS = (
    ("spatial_decay", "decay"),
    ("spatial_first", "first"),
    *((f"spatial_mix_{kind}", f"mu_{kind}") for kind in "kvr"),
    ("key_norm", "norm"),
    *((name, name) for name in ("key", "value", "receptance", "output")),
)
LAYOUT = Layout(
    # the deep stages' norms are wrapped
    *((f"encoder.stage{i}.{{j}}.norm.norm", f"encoder.stages.{i}.{{j}}.norm") for i in (3, 4)),
    ("encoder.norm.norm", "encoder.norm"),
    ("encoder.head", "encoder.head"),
    *under(
        "encoder.stage{i}.{j}.",
        "encoder.stages.{i}.{j}.",
        ("conv.conv", "conv.0"),
        ("conv.norm", "conv.1"),
        ("conv_local.conv", "conv_local.0"),
        ("conv_local.norm", "conv_local.1"),
        ("proj.conv", "proj"),
        ("se.conv_reduce", "se.reduce"),
        ("se.conv_expand", "se.expand"),
        *under("att.", "att.", *TOKENS),
        *((name, name) for name in ("norm", "ln1", "ln2")),
    ),
    ("ccm.projections.{i}", "skips.into.{i}"),
    ("ccm.final_projections.{i}", "skips.back.{i}"),
    ("ccm.ln1", "skips.norm"),
    *under("ccm.channel.", "skips.mixer.", *TOKENS),
    *under(
        "decoder{i}.",
        "ups.{i-1}.",
        ("conv.conv", "layers.0"),
        ("conv.norm", "layers.1"),
        ("conv_local.conv", "layers.3"),
        ("conv_local.norm", "layers.4"),
        ("proj.conv", "layers.6"),
        ("proj.norm", "layers.7"),
        ("ln1", "unused"),
    ),
    ("final_conv", "head"),
)
