"""The released names of VM-UNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import VSS_ENCODER

LAYOUT = Layout(
    *VSS_ENCODER,
    ("vmunet.layers_up.{i}.blocks.{j}", "decoder.{i}.{j}"),
    ("vmunet.layers_up.{i}.upsample", "expands.{i-1}"),
    ("vmunet.final_up", "final"),
    ("vmunet.final_conv", "head"),
)
