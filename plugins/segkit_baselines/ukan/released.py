"""The released names of U-KAN."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import twice, under

BLOCK = (
    ("norm2", "norm"),
    ("layer.fc{k}", "mix.{k-1}"),
    ("layer.dwconv_{k}.dwconv", "look.{k-1}.0"),
    ("layer.dwconv_{k}.bn", "look.{k-1}.1"),
)
LAYOUT = Layout(
    *twice("encoder{i}.conv", "convs.{i-1}"),
    ("patch_embed{i}.proj", "embeds.{i-3}.conv"),
    ("patch_embed{i}.norm", "embeds.{i-3}.norm"),
    *under("block{i}.0.", "blocks.{i-1}.", *BLOCK),
    *under("dblock{i}.0.", "back_blocks.{i-1}.", *BLOCK),
    ("norm{i}", "norms.{i-3}"),
    ("dnorm{i}", "back_norms.{i-3}"),
    *twice("decoder{i}.conv", "widen.{i-1}"),
    ("final", "head"),
)
