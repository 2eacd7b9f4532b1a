"""The released names of Attention U-Net (the form of the benchmark repositories)."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import twice

LAYOUT = Layout(
    *twice("Conv{i}.conv", "encoder.{i-1}"),
    ("Up{i}.up.1", "ups.{5-i}.0"),
    ("Up{i}.up.2", "ups.{5-i}.1"),
    ("Att{i}.W_g", "gates.{5-i}.g"),
    ("Att{i}.W_x", "gates.{5-i}.x"),
    ("Att{i}.psi", "gates.{5-i}.psi"),
    *twice("Up_conv{i}.conv", "decoder.{5-i}"),
    ("Conv_1x1", "head"),
)
