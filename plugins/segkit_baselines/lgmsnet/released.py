"""The released names of LGMSNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import flat, under

MIXED = (
    *(
        (name, f"kernels.{number}")
        for number, name in enumerate(("local_dwc", "global_dwc_s", "global_dwc_m", "global_dwc_l"))
    ),
    ("norm_act.0", "norm"),
    ("conv_1x1_bn", "shrink"),
    ("conv_nxn_bn", "widen"),
)
SPARSE = (
    ("conv1", "enter.0"),
    ("conv2", "enter.1"),
    ("conv3", "leave"),
    ("conv4", "join"),
    ("conv_spilt.dwconv3x3", "local.0"),
    ("conv_spilt.bn1", "local.1"),
    ("conv_spilt.dwconv1x1", "local.3"),
    ("conv_spilt.bn2", "local.4"),
    ("transformer.layers.0.0.norm", "transformer.attention.norm"),
    ("transformer.layers.0.0.to_qkv", "transformer.attention.qkv"),
    ("transformer.layers.0.0.to_out.0", "transformer.attention.out"),
    ("transformer.layers.0.1.net.0", "transformer.mlp.0"),
    ("transformer.layers.0.1.net.1", "transformer.mlp.1"),
    ("transformer.layers.0.1.net.4", "transformer.mlp.3"),
)
LAYOUT = Layout(
    ("stem.conv", "stem"),
    *under("encoder4.0.", "encoder.3.", *SPARSE),
    *under("encoder5.0.", "encoder.4.", *SPARSE),
    *under("encoder{i}.0.", "encoder.{i-1}.0.", *MIXED),
    ("encoder{i}.1", "encoder.{i-1}.1"),
    ("Up{i}.up.1", "up.{5-i}.0"),
    ("Up{i}.up.2", "up.{5-i}.1"),
    *under("Up_conv5.", "fuse.0.", *SPARSE),
    *flat("Up_conv4.0.conv", "fuse.1.0", 3),
    *under("Up_conv4.1.", "fuse.1.1.", *SPARSE),
    *flat("Up_conv3.conv", "fuse.2", 3),
    *flat("Up_conv2.conv", "fuse.3", 3),
    ("Conv_1x1", "head"),
)
