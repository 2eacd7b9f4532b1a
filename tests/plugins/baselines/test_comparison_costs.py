"""Parameters, tensors and multiply-adds of the comparison rows, built without numbers."""

import pytest
import torch

import segkit
from segkit.engine.costs.counting import count

slow = pytest.mark.slow
WINDOWS_4 = {"windows": (4, 4, 4, 2)}
WINDOWS_8 = {"windows": (8, 8, 4, 2)}

# name, settings, parameters, tensors, side, MACs
COSTS = [
    ("transunet", {}, 105_275_921, 382, 224, 29_167_927_296),
    ("transunet", {"grid": (16, 16)}, 105_322_001, 382, 256, 38_384_418_816),
    ("swin_unet", {}, 27_168_132, 218, 224, 6_071_245_824),
    ("swin_unet", {"windows": (8, 8, 8, 8)}, 27_175_524, 218, 256, 8_015_314_944),
    ("swin_unet", {"windows": (16, 16, 16, 16)}, 27_272_676, 218, 512, 36_440_113_152),
    ("swin_unet", WINDOWS_4, 27_150_372, 218, 64, None),
    ("swin_unet", WINDOWS_8, 27_156_708, 218, 64, None),
    ("missformer", {}, 42_462_017, 710, 224, 7_972_564_992),
    ("missformer", {}, 42_462_017, 710, 512, 98_738_110_464),
    ("h2former", {"window": 14}, 33_678_656, 271, 224, 24_733_163_968),
    ("h2former", {}, 33_692_576, 271, 256, 32_776_397_248),
    ("h2former", {"window": 32}, 33_873_056, 271, 512, 155_264_754_112),
    ("h2former", {"window": 4}, 33_637_856, 271, 64, None),
    ("h2former", {"in_channels": 4}, 33_698_656, 271, 256, None),
    ("pspnet", {}, 46_706_113, 182, 224, 35_282_804_736),
    ("pspnet", {"auxiliary": True}, 49_066_178, None, 256, 46_067_613_696),
    ("segnet", {}, 29_443_585, 102, 224, 30_635_458_560),
    ("swin_umamba", {}, 59_885_620, 257, 224, 31_281_223_680),
    ("swin_umamba", {"in_channels": 1, "num_classes": 13}, 59_888_644, 257, 224, None),
    ("rwkv_unet_t", {}, 5_677_782, 337, 224, 2_744_598_994),
    ("rwkv_unet_t", {}, 5_677_782, 337, 512, 14_339_129_362),
    ("rwkv_unet_s", {}, 15_087_782, 457, 224, 5_736_960_786),
    ("rwkv_unet", {}, 24_642_686, 457, 224, 10_957_883_346),
    ("fsca_net", {}, 43_502_703, 404, 224, 32_843_217_024),
    ("fsca_net", {"grid": (16, 16)}, 43_614_063, 404, 256, 42_897_258_624),
    ("fsca_net", {"grid": (4, 4)}, 43_168_623, 404, 64, None),
    ("met_net", {}, 18_650_497, 278, 224, 15_524_585_472),
]


def described(name, **settings):
    with torch.device("meta"):
        return segkit.create(name, **settings)


@pytest.mark.parametrize(("name", "settings", "parameters", "tensors", "side", "macs"), COSTS)
def test_sizes(name, settings, parameters, tensors, side, macs):
    network = described(name, **settings)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert tensors is None or len(list(network.parameters())) == tensors


COUNTED = [(c[0], c[1], c[4], c[5]) for c in COSTS if c[5] is not None]
QUICK = ("rwkv_unet_t", "met_net", "segnet")


@pytest.mark.parametrize(
    ("name", "settings", "side", "macs"),
    [pytest.param(*c, marks=[] if c[0] in QUICK and c[2] == 224 else [slow]) for c in COUNTED],
)
def test_multiply_adds(name, settings, side, macs):
    assert count(described(name, **settings), (1, 3, side, side)).macs == macs
