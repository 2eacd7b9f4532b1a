"""The released names of VM-UNetV2."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import VSS_ENCODER

LAYOUT = Layout(
    *VSS_ENCODER,
    ("ca_{i}.fc1", "channel.{i-1}.mlp.0"),
    ("ca_{i}.fc2", "channel.{i-1}.mlp.2"),
    ("sa_{i}.conv1", "spatial.{i-1}.conv"),
    ("Translayer_{i}.conv", "narrow.{i-1}.0"),
    ("Translayer_{i}.bn", "narrow.{i-1}.1"),
    ("sdi_{i}", "products.{i-1}"),
    ("seg_outs.{i}", "heads.{i}"),
    ("deconv6", "lift"),
    ("deconv{i}", "up.{i-2}"),
)
