"""QTSeg's counts: parameters, checkpoint entries, multiply-adds, the paper's own figure."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import segkit
from segkit.api import resolve
from segkit.build import architecture
from segkit.errors import UsageError
from segkit_qtseg import ARCHITECTURE
from segkit_qtseg.counter import look


def meta(**config: object) -> nn.Module:
    with torch.device("meta"):
        return segkit.create("qtseg", **config).eval()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 9_214_850),
        ({"num_classes": 1}, 8_996_354),
        ({"num_classes": 3}, 9_433_346),
        ({"num_classes": 4}, 9_651_842),
        ({"num_classes": 7}, 8_777_858 + 7 * 218_496),
        ({"mlfd": False}, 8_935_426),
        ({"decoder": "twoway"}, 9_687_184),
        ({"decoder": "twoway", "mlfd": False}, 9_407_760),
        ({"blocks": (1, 1, 1)}, 5_694_233),
        ({"blocks": (2, 2, 2)}, 8_057_378),
        ({"blocks": (3, 3, 3)}, 10_420_523),
        ({"blocks": (3, 2, 1)}, 6_899_906),
        ({"token_mlp_dim": 1024}, 6_980_482),
        ({"token_mlp_dim": 256}, 5_304_706),
        ({"heads": 4}, 9_214_850),
        ({"width": 32}, 27_848_882),
    ],
)
def test_parameters(config: dict[str, object], expected: int) -> None:
    assert parameters(meta(**config)) == expected


def test_parts() -> None:
    network = meta()
    parts = {
        "encoder": 2_259_536,
        "bridge": 279_424,
        "decoder": 6_675_890,
        "encoder.conv_0": 464,
        "encoder.conv_1": 4_672,
        "encoder.c2f_2": 7_360,
        "encoder.conv_3": 18_560,
        "encoder.c2f_4": 49_664,
        "encoder.conv_5": 73_984,
        "encoder.c2f_6": 197_632,
        "encoder.conv_7": 295_424,
        "encoder.c2f_8": 460_288,
        "encoder.sppf_9": 164_608,
        "encoder.c2f_12": 148_224,
        "encoder.c2f_15": 37_248,
        "encoder.conv_16": 36_992,
        "encoder.c2f_18": 123_648,
        "encoder.conv_19": 147_712,
        "encoder.c2f_21": 493_056,
        "bridge.neck_0_0": 2_112,
        "bridge.neck_0_1": 8_224,
        "bridge.neck_0_2": 65_568,
        "bridge.neck_1_0": 18_496,
        "bridge.neck_1_1": 8_320,
        "bridge.neck_1_2": 32_832,
        "bridge.neck_2_0": 36_992,
        "bridge.neck_2_1": 73_856,
        "bridge.neck_2_2": 33_024,
        "decoder.stages.2": 4_473_641,
        "decoder.stages.1": 1_286_022,
        "decoder.stages.0": 298_147,
        "decoder.stages.2.blocks.0": 1_447_139,
        "decoder.stages.1.blocks.0": 626_339,
        "decoder.stages.0.blocks.0": 289_667,
        "decoder.class_mlps.2": 328_960,
        "decoder.class_mlps.1": 82_560,
        "decoder.class_mlps.0": 24_960,
        "decoder.upscales.2": 131_456,
        "decoder.upscales.1": 32_960,
        "decoder.upscales.0": 16_672,
        "decoder.tokens": 512,
    }
    assert {name: parameters(network.get_submodule(name)) for name in parts} == parts


def test_state_entries() -> None:
    network = meta()
    assert len(network.state_dict()) == 614
    assert len(list(network.parameters())) == 449
    assert all(p.requires_grad for p in network.parameters())
    assert sum(b.numel() for b in network.buffers()) == 10_262
    assert len(meta(mlfd=False).state_dict()) == 560


def test_trained_while_the_encoder_rests() -> None:
    network = meta()
    assert parameters(network) - parameters(network.encoder) == 6_955_314  # type: ignore[arg-type]


def test_description_states_the_count() -> None:
    assert architecture("qtseg").params == 9_214_850


@pytest.mark.parametrize(
    ("side", "macs"),
    [
        (224, 498_647_414),
        (256, 647_951_744),
        (352, 1_215_308_198),
        (512, 2_559_047_168),
        (1024, 10_203_428_864),
    ],
)
def test_multiply_adds(side: int, macs: int) -> None:
    network, image = meta(), torch.empty(1, 3, side, side, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    assert counter.get_total_flops() == 2 * macs


@pytest.mark.parametrize(
    ("config", "side", "flops", "activations"),
    [
        ({}, 224, 502_211_062, 3_674_379),
        ({}, 256, 652_598_272, 4_714_944),
        ({}, 352, 1_224_069_670, 8_669_091),
        ({}, 512, 2_577_554_560, 18_034_176),
        ({}, 1024, 10_277_379_712, 71_311_104),
        ({"mlfd": False}, 512, 2_470_730_880, 17_575_424),
        ({"decoder": "twoway"}, 512, 2_278_470_400, 16_248_128),
        ({"decoder": "twoway", "mlfd": False}, 512, 2_171_646_720, 15_789_376),
    ],
)
def test_paper_counter(config: dict[str, object], side: int, flops: int, activations: int) -> None:
    network = meta(**config)
    seen = look(network, (side, side))
    assert (seen.macs + seen.others, seen.activations) == (flops, activations)


@pytest.mark.parametrize(
    ("config", "sum_g"),
    [({"num_classes": 1}, 2.5820), ({"num_classes": 3}, 2.6092), ({"blocks": (1, 1, 1)}, 2.3345)],
)
def test_paper_counter_of_other_settings(config: dict[str, object], sum_g: float) -> None:
    assert ARCHITECTURE.paper_counter is not None
    counter = ARCHITECTURE.paper_counter[1]
    assert resolve(counter)(meta(**config), (512, 512)) / 1e9 == pytest.approx(sum_g, abs=5e-5)


def test_paper_counter_is_named() -> None:
    assert ARCHITECTURE.paper_counter is not None
    name, counter = ARCHITECTURE.paper_counter
    assert "activations" in name
    assert resolve(counter)(meta(), (512, 512)) == 2_595_588_736


@pytest.mark.parametrize(
    "config",
    [{"heads": 5}, {"width": 6}, {"num_classes": 0}, {"blocks": (0, 1, 1)}, {"decoder": "sam"}],
)
def test_contradictions_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        segkit.create("qtseg", **config)
