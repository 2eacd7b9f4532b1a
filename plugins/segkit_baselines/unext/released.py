"""The released names of UNeXt."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

BLOCK = (("norm2", "norm"), ("mlp.dwconv.dwconv", "dw"), ("mlp.fc{k}", "fc{k}"))
LAYOUT = Layout(
    ("encoder{i}", "convs.{i-1}.0"),
    ("ebn{i}", "convs.{i-1}.1"),
    ("patch_embed{i}.proj", "embeds.{i-3}.conv"),
    ("patch_embed{i}.norm", "embeds.{i-3}.norm"),
    *under("block{i}.0.", "blocks.{i-1}.", *BLOCK),
    *under("dblock{i}.0.", "back_blocks.{i-1}.", *BLOCK),
    ("norm{i}", "norms.{i-3}"),
    ("dnorm{i}", "back_norms.{i-3}"),
    ("decoder{i}", "widen.{i-1}.conv"),
    ("dbn{i}", "widen.{i-1}.norm"),
    ("final", "head"),
)
