"""The released names of U-Lite."""

from __future__ import annotations

from segkit.nn.renaming import Layout

LAYOUT = Layout(
    ("e{i}", "encoder.{i-1}"),
    ("b5.dw{k}", "bottleneck.dws.{k-1}"),
    ("b5", "bottleneck"),
    ("d{i}", "decoder.{5-i}"),
    ("conv_in", "conv_in"),
    ("conv_out", "conv_out"),
)
