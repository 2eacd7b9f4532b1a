"""The released names of U-Net++ on a ResNet-34 (the form of the benchmark repositories)."""

from __future__ import annotations

from segkit.nn.renaming import Layout

NODES = tuple(
    (f"decoder{{i}}_{{j}}.{layer}{number}", f"nodes.{{i}}{{j}}.{number - 1}.{place}")
    for number in (1, 2, 3)
    for place, layer in enumerate(("conv", "norm"))
)
LAYOUT = Layout(
    ("firstconv", "encoder.stem.0"),
    ("firstbn", "encoder.stem.1"),
    ("encoder{i}.{j}.downsample", "encoder.stages.{i-1}.{j}.shortcut"),
    ("encoder{i}.{j}", "encoder.stages.{i-1}.{j}"),
    *NODES,
    ("logit{i}", "heads.{i-1}"),
    ("mix", "mix"),
)
