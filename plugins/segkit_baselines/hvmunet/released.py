"""The released names of H-vmunet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import BRIDGE, SKELETON, levels

PLAIN = (("encoder1.0", "encoder.0"), ("encoder2.0", "encoder.1"), ("decoder5.0", "decoder.4"))
LAYOUT = Layout(
    *PLAIN,
    *levels(
        ("{j}.pwconv1", "{j}.mlp.0"),
        ("{j}.pwconv2", "{j}.mlp.3"),
        ("{j}.H_SS2D.dwconv.SS2D", "{j}.gates.look.scan"),
        ("{j}.H_SS2D.dwconv", "{j}.gates.look"),
        ("{j}.H_SS2D.pws.{k}", "{j}.gates.widen.{k}"),
        ("{j}.H_SS2D.ss2d_in", "{j}.gates.passes.0"),
        ("{j}.H_SS2D.ss2d_{k}", "{j}.gates.passes.{k}"),
        ("{j}.H_SS2D", "{j}.gates"),
    ),
    ("encoder{i}", "encoder.{i-1}"),
    ("decoder{i}", "decoder.{i-1}"),
    *SKELETON,
    *BRIDGE,
)
