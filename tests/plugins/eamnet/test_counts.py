"""EAM-Net's counts and shapes: whole, by block, by ablation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import segkit
from segkit.build import architecture
from segkit.errors import UsageError

SIZE = (224, 320)


def meta(**config: object) -> nn.Module:
    with torch.device("meta"):
        return segkit.create("eamnet", **config).eval()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def macs(network: nn.Module, size: tuple[int, int], method: str = "forward") -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        getattr(network, method)(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2


def test_whole() -> None:
    network = meta()
    assert parameters(network) == 4_619_258 == architecture("eamnet").params
    assert len(list(network.parameters())) == 345
    assert 4.508e6 < parameters(network) < 4.692e6  # published: 4.6 M


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((224, 320), 17_014_346_304),
        ((256, 256), 15_555_977_856),
        ((224, 224), 11_910_056_736),
        ((64, 64), 972_293_376),
        ((512, 512), 62_223_768_192),
    ],
)
def test_multiply_adds(size: tuple[int, int], expected: int) -> None:
    assert macs(meta(), size) == expected


def test_multiply_adds_with_auxiliary_heads() -> None:
    assert macs(meta(), SIZE, "forward_aux") == 17_017_679_424


def test_parts() -> None:
    network = meta()
    decoder = network.decoder
    found = {
        "encoder Res": [parameters(level[0]) for level in network.encoder],  # type: ignore[union-attr, index]
        "encoder MRCF": [parameters(level[1]) for level in network.encoder],  # type: ignore[union-attr, index]
        "MSEF": parameters(network.msef),  # type: ignore[arg-type]
        "bottleneck": parameters(network.bottleneck),  # type: ignore[arg-type]
        "up": [parameters(level.up) for level in decoder],  # type: ignore[union-attr, arg-type]
        "EAB": [parameters(level.eab) for level in decoder],  # type: ignore[union-attr, arg-type]
        "join": [parameters(level.join) for level in decoder],  # type: ignore[union-attr, arg-type]
        "CMAM": [parameters(level.cmam) for level in decoder],  # type: ignore[union-attr, arg-type]
        "refine": [parameters(level.refine) for level in decoder],  # type: ignore[union-attr, arg-type]
        "MSDF": parameters(network.msdf),  # type: ignore[arg-type]
    }
    assert found == {
        "encoder Res": [10_368, 57_728, 230_144, 919_040],
        "encoder MRCF": [2_496, 9_472, 36_864, 145_408],
        "MSEF": 67_525,
        "bottleneck": 145_408,
        "up": [8_224, 32_832, 131_200, 262_400],
        "EAB": [6_240, 16_576, 49_536, 164_608],
        "join": [2_112, 8_320, 33_024, 131_584],
        "CMAM": [4_040, 15_660, 61_940, 246_660],
        "refine": [21_056, 83_456, 332_288, 1_326_080],
        "MSDF": 56_969,
    }


OFF = {"mrcf": False, "cmam": "none", "eab": False}


@pytest.mark.parametrize(
    ("config", "count", "gmacs"),
    [
        (OFF, 3_520_110, 13.054),
        (OFF | {"mrcf": True}, 4_053_998, 14.418),
        (OFF | {"cmam": "cross"}, 3_848_410, 14.513),
        (OFF | {"eab": True}, 3_757_070, 14.192),
        ({"eab": False}, 4_382_298, 15.877),
        ({"cmam": "none"}, 4_290_958, 15.555),
        ({"mrcf": False}, 4_085_370, 15.651),
        ({}, 4_619_258, 17.014),
        ({"cmam": "serial"}, 4_619_258, 17.161),
        ({"cmam": "parallel"}, 4_619_258, 17.014),
        ({"mem_slots": 16}, 4_573_178, 16.601),
        ({"mem_slots": 32}, 4_588_538, 16.739),
        ({"mem_slots": 128}, 4_680_698, 17.565),
        ({"num_classes": 2}, 4_619_680, None),
        ({"bottleneck": 512}, 5_446_000, 17.25),
    ],
)
def test_ablations(config: dict[str, object], count: int, gmacs: float | None) -> None:
    network = meta(**config)
    assert parameters(network) == pytest.approx(count, abs=500 if "bottleneck" in config else 0)
    if gmacs is not None:
        tolerance = 0.005 if "bottleneck" in config else 0.0006
        assert macs(network, SIZE) / 1e9 == pytest.approx(gmacs, abs=tolerance)


def test_wirings_share_their_names() -> None:
    names = [list(meta(cmam=wiring).state_dict()) for wiring in ("cross", "parallel", "serial")]
    assert names[0] == names[1] == names[2]


def test_shapes_of_all_outputs() -> None:
    network = meta().train()
    outputs = network.forward_aux(torch.empty(2, 3, *SIZE, device="meta"))  # type: ignore[operator]
    expected = [(224, 320), (224, 320), (112, 160), (56, 80), (28, 40), (28, 40)]
    assert [tuple(out.shape) for out in outputs] == [(2, 1, *size) for size in expected]


@pytest.mark.parametrize(
    "config",
    [
        {"widths": (8, 16, 32, 66)},
        {"keep_ratio": 0.0},
        {"cmam": "both"},
        {"mem_slots": 0},
        {"bottleneck": 10},
    ],
)
def test_contradictions_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        segkit.create("eamnet", **config)
