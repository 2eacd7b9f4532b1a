"""The released names of MALUNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import BRIDGE, SKELETON, WRAPPED, under

MEMORY = (
    ("conv1", "into"),
    ("linear_0", "keys"),
    ("linear_1", "values"),
    ("conv2", "out"),
    ("norm_layer", "norm"),
)
GATED = (
    ("mda{k}", "groups.{k}"),
    ("norm_layer", "norm"),
    ("conv", "mix"),
    ("gau.cw", "shortcut"),
    *(
        (f"gau.{old}.0.{layer}", f"{new}.{place}")
        for old, new in (("w1", "gate"), ("w2", "value"), ("wo", "out"))
        for place, layer in enumerate(("conv1", "norm_layer", "conv2"))
    ),
)
LAYOUT = Layout(
    *under("encoder{i}.0.", "encoder.{i-1}.0.", *MEMORY),
    *under("encoder{i}.1.", "encoder.{i-1}.1.", *GATED),
    *under("decoder{i}.0.", "decoder.{i-1}.0.", *GATED),
    *under("decoder{i}.1.", "decoder.{i-1}.1.", *MEMORY),
    *WRAPPED,
    *SKELETON,
    *BRIDGE,
)
