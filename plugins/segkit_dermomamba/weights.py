"""The original checkpoint layout of DermoMamba: 386 entries, renamed both ways without loss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segkit_dermomamba import NATIVE_GRID

# original name -> ours, by piece; {i} counts stages from 1 there and from 0 here
_RULES: tuple[tuple[str, str], ...] = (
    (r"pw_in", "stem"),
    (r"conv_out", "head"),
    (
        r"e{i}.resmamba.block.dw{k}.mixer_w",
        "encoder.{i}.residual.cross_scale.axial.{k}.along_width",
    ),
    (
        r"e{i}.resmamba.block.dw{k}.mixer_h",
        "encoder.{i}.residual.cross_scale.axial.{k}.along_height",
    ),
    (r"e{i}.resmamba.block.dw{k}.conv", "encoder.{i}.residual.cross_scale.axial.{k}.square"),
    (r"e{i}.resmamba.block.vss.ln_1", "encoder.{i}.residual.cross_scale.vss.ln_1"),
    (
        r"e{i}.resmamba.block.vss.self_attention",
        "encoder.{i}.residual.cross_scale.vss.self_attention",
    ),
    (r"e{i}.resmamba.block.bn", "encoder.{i}.residual.cross_scale.norm"),
    (r"e{i}.resmamba.conv", "encoder.{i}.residual.conv"),
    (r"e{i}.resmamba.ins_norm", "encoder.{i}.residual.norm"),
    (r"e{i}.resmamba.scale", "encoder.{i}.residual.scale"),
    (r"e{i}.pw", "encoder.{i}.conv"),
    (r"e{i}.bn", "encoder.{i}.norm"),
    (r"s{i}.ChannelGate.mlp.1", "gates.{i}.channel.reduce"),
    (r"s{i}.ChannelGate.mlp.3", "gates.{i}.channel.expand"),
    (r"s{i}.SpatialGate.spatial.conv", "gates.{i}.spatial.conv"),
    (r"s{i}.SpatialGate.spatial.bn", "gates.{i}.spatial.norm"),
    (r"b2.dw", "bottleneck.attention.conv"),
    (r"b1.ln", "bottleneck.sweep.norm"),
    (r"b1.proj_in", "bottleneck.sweep.project_in"),
    (r"b1.proj_out", "bottleneck.sweep.project_out"),
    (r"b1.mamba1", "bottleneck.sweep.plane"),
    (r"b1.mamba2", "bottleneck.sweep.rows"),
    (r"b1.mamba3", "bottleneck.sweep.columns"),
    (r"b1.scale", "bottleneck.sweep.scale"),
    (r"b1.bn", "bottleneck.sweep.norm_out"),
    (r"d{j}.pw2", "decoder.{j}.conv"),
    (r"d{j}.pw", "decoder.{j}.reduce"),
    (r"d{j}.bn", "decoder.{j}.norm"),
)


def _names() -> dict[str, str]:
    """Every module of the original by name, with ours."""
    names: dict[str, str] = {}
    for original, ours in _RULES:
        for stage in range(5) if "{" in original else (0,):
            for scale in range(3) if "{k}" in original else (0,):
                old = original.format(i=stage + 1, j=5 - stage, k=scale + 1)
                names[old] = ours.format(i=stage, j=stage, k=scale)
    return names


class Layout:
    """Renames a state between the released network's names and segkit's; tensors are untouched."""

    def __init__(self) -> None:
        self._to_segkit = _names()
        self._to_original = {ours: old for old, ours in self._to_segkit.items()}

    def to_segkit(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Strips the `model.` of training checkpoints and drops a FLOP counter's left-overs."""
        kept = {
            re.sub(r"^model\.", "", name): value
            for name, value in state.items()
            if not name.endswith(("total_ops", "total_params"))
        }
        return {_rename(name, self._to_segkit): value for name, value in kept.items()}

    def settings(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """What a state in our names tells of its network; nothing where an entry is missing."""
        found: dict[str, Any] = {}
        sweep = "bottleneck.sweep"
        grid = [state.get(f"{sweep}.{part}.out_proj.weight") for part in ("rows", "columns")]
        if grid[0] is not None and grid[1] is not None:
            found["grid"] = [grid[0].shape[0], grid[1].shape[0]]
            if tuple(found["grid"]) != NATIVE_GRID:
                found["variant"] = "general"
        if (stem := state.get("stem.weight")) is not None:
            found["in_channels"] = stem.shape[1]
        if (head := state.get("head.weight")) is not None:
            found["num_classes"] = head.shape[0]
        return found

    def to_original(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The names of the released network."""
        return {_rename(name, self._to_original): value for name, value in state.items()}


def _rename(name: str, names: Mapping[str, str]) -> str:
    """`name` with its longest known head replaced; an unknown name stays, to be reported."""
    pieces = name.split(".")
    for length in range(len(pieces), 0, -1):
        head = ".".join(pieces[:length])
        if head in names:
            return ".".join([names[head], *pieces[length:]])
    return name


LAYOUT = Layout()
