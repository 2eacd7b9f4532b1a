"""The released names of MBSNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import under

LAYOUT = Layout(
    ("Conv{i}.conv", "local.{i-1}.0"),
    *under(
        "maxDw{i}.",
        "local.{i-1}.1.",
        ("conv_maxpool", "pooled"),
        ("dwconv.0", "point"),
        ("dwconv.1.dwconv", "look"),
        ("dwconv.1.norm", "norm"),
        ("dwconv.1.pwconv1", "widen"),
        ("dwconv.1.pwconv2", "shrink"),
        ("dwconv.2", "norm_out"),
        ("fuConv.0", "join"),
        ("fuConv.1", "join_norm"),
    ),
    ("se.fc.0", "squeeze.reduce"),
    ("se.fc.2", "squeeze.expand"),
    ("D_bott{i}.conv1", "wide.{i-1}.0"),
    ("D_bott{i}.dilat", "wide.{i-1}.1"),
    ("D_bott{i}.conv2", "wide.{i-1}.2"),
    ("D_catConv{i}.conv", "joins.{i-1}"),
    ("attn.conv_q1", "query.query1"),
    ("attn.conv_q2", "query.query2"),
    ("attn.conv_v", "query.value"),
    ("up_conv2.up", "lift5"),
    ("up_conv3.up", "lift4"),
    ("fu_Conv2.conv", "fuse4"),
    ("fu_Conv3.conv", "fuse3"),
    ("intere1_1.conv", "from_wide3"),
    ("fu_Conv4.conv", "to_local2"),
    ("intere1_2.conv", "from_local3"),
    ("D_Conv3.conv", "to_wide2"),
    ("intere2_1.conv", "from_wide2"),
    ("fu_Conv5.conv", "to_local1"),
    ("inter2_2.conv", "from_local2"),
    ("D_Conv4.conv", "to_wide1"),
    ("ConvOut1", "mix"),
    ("ConvOut2", "head"),
)
