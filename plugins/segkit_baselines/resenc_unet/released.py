"""The names of nnU-Net's residual-encoder networks (dynamic-network-architectures)."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

LAYERS = (("conv", "0"), ("norm", "1"))
LAYOUT = Layout(
    *under("encoder.stem.convs.0.", "stem.", *LAYERS),
    *under("encoder.stages.{i}.blocks.{j}.conv1.", "encoder.{i}.{j}.conv1.", *LAYERS),
    *under("encoder.stages.{i}.blocks.{j}.conv2.", "encoder.{i}.{j}.conv2.", *LAYERS),
    ("encoder.stages.{i}.blocks.{j}.skip.1.conv", "encoder.{i}.{j}.shortcut.1"),
    ("encoder.stages.{i}.blocks.{j}.skip.1.norm", "encoder.{i}.{j}.shortcut.2"),
    ("decoder.transpconvs.{i}", "ups.{i}"),
    *under("decoder.stages.{i}.convs.0.", "decoder.{i}.0.", *LAYERS),
    ("decoder.seg_layers.{i}", "heads.{i}"),
    # the same tensors stored once more under other names
    ignored=(r".*\.all_modules\..*", r"decoder\.encoder\..*"),
)
