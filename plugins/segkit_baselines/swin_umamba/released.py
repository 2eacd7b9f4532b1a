"""The released names of Swin-UMamba (its blocks are MONAI's)."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

BLOCK = (("conv1.conv", "conv1"), ("conv2.conv", "conv2"), ("conv3.conv", "shortcut"))
LAYOUT = Layout(
    ("stem.0", "encoder.stem"),
    ("stem.1", "encoder.stem_norm"),
    ("vssm_encoder.patch_embed.proj", "encoder.embed"),
    ("vssm_encoder.patch_embed.norm", "encoder.embed_norm"),
    ("vssm_encoder.layers.{i}.blocks.{j}", "encoder.stages.{i}.{j}"),
    ("vssm_encoder.downsamples.{i}", "encoder.merges.{i}"),
    *under("encoder{i}.layer.", "skips.{i-1}.", *BLOCK),
    *under("decoder1.layer.", "last.", *BLOCK),
    ("decoder{i}.transp_conv.conv", "ups.{6-i}.up"),
    *under("decoder{i}.conv_block.", "ups.{6-i}.block.", *BLOCK),
    ("out_layers.{i}.conv.conv", "heads.{i}"),
)
