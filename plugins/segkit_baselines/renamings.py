"""Lines of tables that several networks' released names share (see segkit.nn.renaming)."""

from __future__ import annotations

Rules = tuple[tuple[str, ...], ...]

MLP = (("mlp.fc1", "mlp.0"), ("mlp.fc2", "mlp.3"))


def under(old: str, new: str, *rules: tuple[str, ...]) -> Rules:
    """The same lines one level deeper; a pair of empty names is the level itself."""
    return tuple((f"{old}{a}", f"{new}{b}", *form) for a, b, *form in rules)


def twice(old: str, new: str) -> Rules:
    """Two convolutions with norms, in one flat sequence there."""
    places = (("0", "0.0"), ("1", "0.1"), ("3", "1.0"), ("4", "1.1"))
    return under(f"{old}.", f"{new}.", *places)


def flat(old: str, new: str, count: int) -> Rules:
    """`count` times convolution, activation, norm: nine flat places there, three by three here."""
    return tuple(
        (f"{old}.{3 * i + kind}", f"{new}.{i}.{kind}") for i in range(count) for kind in (0, 2)
    )


def levels(*rules: tuple[str, ...]) -> Rules:
    """The same lines in the encoder and in the decoder of a six-stage network."""
    return (
        *under("encoder{i}.", "encoder.{i-1}.", *rules),
        *under("decoder{i}.", "decoder.{i-1}.", *rules),
    )


SKELETON: Rules = (
    ("ebn{i}", "encoder_norm.{i-1}"),
    ("dbn{i}", "decoder_norm.{i-1}"),
    ("final", "head"),
)
# every stage is a sequence there, also of one convolution
WRAPPED: Rules = (("encoder{i}.0", "encoder.{i-1}"), ("decoder{i}.0", "decoder.{i-1}"))
BRIDGE: Rules = (
    ("scab.satt.shared_conv2d.0", "bridge.spatial"),
    ("scab.catt.get_all_att", "bridge.mix"),
    ("scab.catt.att{i}", "bridge.gates.{i-1}"),
)
VSS_ENCODER: Rules = (  # the encoder of VM-UNet and VM-UNetV2
    ("vmunet.patch_embed.proj", "patch"),
    ("vmunet.patch_embed.norm", "patch_norm"),
    ("vmunet.layers.{i}.blocks.{j}", "encoder.{i}.{j}"),
    ("vmunet.layers.{i}.downsample", "merges.{i}"),
)


def resnet(stages: str) -> Rules:
    """Torchvision's ResNet; `stages` is our name for a stage, with {i-1}."""
    return (
        ("layer{i}.{j}.downsample", f"{stages}.{{j}}.shortcut"),
        ("layer{i}.{j}", f"{stages}.{{j}}"),
    )
