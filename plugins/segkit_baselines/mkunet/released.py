"""The released names of MK-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import levels

LAYOUT = Layout(
    *levels(
        ("0.pconv1", "expand"),
        ("0.multi_scale_dwconv.dwconvs.{k}", "kernels.{k}"),
        ("0.pconv2", "shrink"),
        ("0.conv1x1", "shortcut"),
    ),
    ("CA{i}.fc1", "channel.{i-1}.mlp.0"),
    ("CA{i}.fc2", "channel.{i-1}.mlp.2"),
    ("SA.conv", "spatial.conv"),
    ("AG{i}.W_g", "gates.{i-1}.g"),
    ("AG{i}.W_x", "gates.{i-1}.x"),
    ("AG{i}.psi", "gates.{i-1}.psi"),
    ("out{i}", "heads.{i-1}"),
)
