"""The released names of TinyU-Net."""

from __future__ import annotations

from segkit.nn.renaming import Layout


def _stages(old: str, new: str) -> tuple[tuple[str, str], ...]:
    parts = ("pwconv1", "pwconv2", "m.{k}")
    return tuple(
        (f"{old}.cmrf.{part}.{layer}", f"{new}.{part}.{place}")
        for part in parts
        for place, layer in enumerate(("conv", "bn"))
    )


LAYOUT = Layout(
    *_stages("encoder{i}", "encoder.{i-1}"),
    *_stages("decoder{i}", "decoder.{4-i}"),
    ("final_conv", "final_conv"),
)
