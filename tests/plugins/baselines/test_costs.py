"""Multiply-adds, tensors and buffers of the baselines against those of the released networks."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

import segkit
from segkit.engine.costs.counting import count

# name, settings, MACs at 256x256, parameter tensors, buffers and their elements (None: not given)
COSTS = [
    ("egeunet", {}, 72_096_256, 314, 0, 0),
    ("malunet", {}, 82_740_224, 279, None, None),
    ("ultralight_vmunet", {}, 66_001_728, 129, None, None),
    ("ulite", {}, 736_509_952, 112, 33, None),
    ("tinyunet", {}, 1_560_870_912, 218, 216, None),
    ("tinyunet", {"num_classes": 2}, 1_565_065_216, 218, 216, None),
    ("vmunet", {}, 5_288_361_984, 222, 0, 0),
    ("vmunet_full", {}, 9_736_814_592, 417, 0, 0),
    ("unext", {}, 562_003_968, 80, 21, 1_031),
    ("unext_s", {}, 99_229_696, 80, 21, 359),
    ("cmunext", {}, 7_230_627_840, 174, 129, 13_931),
    ("cmunext_s", {}, 1_012_383_744, 150, 111, 4_005),
    ("cmunext_l", {}, 16_853_434_368, 234, 174, 29_754),
    # the released MK-UNet computes three heads and drops them; ours computes them when asked
    ("mkunet", {}, 278_047_616 - 28_672 * 16, 226, 186, 10_934),
    ("mkunet_t", {}, 49_647_696 - 28_672 * 4, 226, 186, 2_678),
    ("mkunet_s", {}, 104_389_824 - 28_672 * 8, 226, 186, 5_526),
    ("mkunet_m", {}, 884_409_984 - 28_672 * 32, 226, 186, None),
    ("mkunet_l", {}, 3_066_651_264 - 28_672 * 64, 226, 186, None),
    ("attunet", {}, 66_424_930_304, 138, 102, 15_658),
    ("attunet", {"gate": False}, 65_347_256_320, 90, 66, 13_718),
    ("unetpp", {}, 34_485_567_488, 122, 90, 7_326),
    ("unetpp", {"deep_supervision": True}, None, 128, 90, 7_326),
    ("unetpp_r34", {}, 37_521_195_008, 207, 198, 23_490),
    ("segformer_b0", {}, 1_745_682_432, 189, 3, 513),
    ("segformer_b1", {}, 3_423_207_424, 189, 3, 513),
    ("resenc_unet", {"stages": 5}, 28_512_878_592, 208, 0, 0),
    ("resenc_unet", {"stages": 6}, 31_599_886_336, 264, 0, 0),
    ("resenc_unet", {}, 32_371_638_272, 320, 0, 0),
    ("resenc_unet", {"stages": 5, "plain": True}, 12_071_206_912, None, 0, 0),
    ("resenc_unet", {"plain": True}, 14_797_504_512, None, 0, 0),
]


def described(name: str, **settings) -> nn.Module:
    """The network without numbers, where its initialisation allows it: quick."""
    draws = name.startswith(("vmunet", "segformer"))  # truncated normals need real tensors
    with nullcontext() if draws else torch.device("meta"):
        return segkit.create(name, **settings)


@pytest.mark.parametrize(("name", "settings", "macs", "tensors", "buffers", "elements"), COSTS)
def test_costs(name, settings, macs, tensors, buffers, elements):
    network = described(name, **settings)
    if macs is not None:
        assert count(network, (1, 3, 256, 256)).macs == macs
    if tensors is not None:
        assert len(list(network.parameters())) == tensors
    kept = list(network.buffers())
    if buffers is not None:
        assert len(kept) == buffers
    if elements is not None:
        assert sum(item.numel() for item in kept) == elements


def parameters(modules) -> list[int]:
    return [sum(p.numel() for p in module.parameters()) for module in modules]


STAGES = [  # network, part, parameters of its members
    ("egeunet", "encoder", [224, 1_168, 3_480, 1_952, 3_184, 5_728]),
    ("egeunet", "decoder", [6_832, 4_160, 2_392, 3_472, 1_160]),
    ("egeunet", "gabs", [9_368, 4_728, 2_792, 1_496, 584]),
    ("egeunet", "masks", [49, 33, 25, 17, 9]),
    ("malunet", "encoder", [224, 1_168, 3_480, 10_768, 18_720, 39_584]),
    ("malunet", "decoder", [46_000, 23_600, 12_632, 3_472, 1_160]),
    ("ultralight_vmunet", "encoder", [224, 1_168, 3_480, 1_749, 2_945, 5_465]),
    ("ultralight_vmunet", "decoder", [6_609, 3_897, 2_153, 3_472, 1_160]),
    ("ulite", "encoder", [832, 2_688, 9_472, 35_328, 136_192]),
    ("ulite", "decoder", [267_264, 68_096, 17_664, 4_736, 1_344]),
    ("tinyunet", "encoder", [2_524, 10_120, 38_672, 151_072]),
    ("tinyunet", "decoder", [200_224, 59_152, 15_240, 4_036]),
    ("cmunext", "encoder", [4_832, 7_184, 47_584, 603_744, 584_928]),
    ("cmunext", "up", [369_120, 184_704, 36_960, 4_656]),
    ("cmunext", "fusion", [771_360, 494_208, 31_392, 8_016]),
    ("mkunet", "encoder", [452, 3_488, 11_072, 32_320, 73_088]),
    ("mkunet", "decoder", [111_232, 45_248, 19_904, 6_368, 2_432]),
    ("mkunet", "channel", [3_200, 1_152, 512, 256, 128]),
    ("mkunet", "gates", [2_067, 1_379, 691, 347]),
    ("mkunet", "heads", [65, 33, 17, 17]),
    ("attunet", "encoder", [38_976, 221_952, 886_272, 3_542_016, 14_161_920]),
    ("attunet", "ups", [4_720_128, 1_180_416, 295_296, 73_920]),
    ("attunet", "gates", [263_939, 66_435, 16_835, 4_323]),
    ("attunet", "decoder", [7_080_960, 1_771_008, 443_136, 110_976]),
    ("unetpp_r34", "heads", [65, 65, 129, 257]),
    ("vmunet", "encoder", [210_816, 679_680, 2_391_552, 8_911_872]),
    ("vmunet", "merges", [74_496, 296_448, 1_182_720]),
    ("vmunet", "decoder", [8_911_872, 2_391_552, 679_680, 105_408]),
    ("vmunet", "expands", [1_180_416, 295_296, 73_920]),
    (
        "resenc_unet",
        "encoder",
        [18_624, 206_080, 1_117_440, 6_825_472, 27_282_432, 28_329_984, 28_329_984],
    ),
    ("resenc_unet", "ups", [1_049_088, 1_049_088, 524_544, 131_200, 32_832, 8_224]),
]


@pytest.mark.parametrize(("name", "part", "expected"), STAGES)
def test_parameters_of_the_stages(name, part, expected):
    assert parameters(getattr(described(name), part)) == expected


def test_parameters_of_the_nodes():
    nodes = described("unetpp").nodes
    expected = {
        "00": 10_272, "10": 55_680, "20": 221_952, "30": 886_272, "40": 3_542_016,
        "01": 37_056, "11": 147_840, "21": 590_592, "31": 2_360_832,
        "02": 46_272, "12": 184_704, "22": 738_048, "03": 55_488, "13": 221_568, "04": 64_704,
    }  # fmt: skip
    assert {
        key.removeprefix("x"): n for key, n in zip(nodes, parameters(nodes.values()), strict=True)
    } == (expected)
