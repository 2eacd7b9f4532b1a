"""Blocks, counts and rules of the baselines against the released networks'."""

import pytest
import torch
from zoo_golden import fill, statistics, wave

import segkit
from segkit import plugins


def block(value: torch.Tensor) -> list[float]:
    flat = value.flatten()
    return [value.mean().item(), value.std(correction=0).item(), flat[0].item(), flat[-1].item()]


@torch.no_grad()
def test_blocks_of_the_six_stage_networks():
    from segkit_baselines.egeunet.model import GAB, GHPA
    from segkit_baselines.malunet.model import DGA, EA
    from segkit_baselines.ultralight_vmunet.model import PVM

    x = wave(24, 12, 10)
    cases = [
        (GHPA(24, 32), (x,), (-0.009852964, 0.200320961, -0.029845929, 0.069405719)),
        (EA(24), (x,), (0.325752881, 0.619220015, -0.114327785, -0.066309110)),
        (DGA(24, 32), (x,), (0.146813845, 0.505833177, -0.476938051, 0.064871127)),
        (PVM(24, 32), (x,), (-0.022962354, 0.675593635, 0.168715407, -0.210469617)),
        (
            GAB(24, 16),
            (wave(24, 6, 5), wave(16, 12, 10), wave(1, 12, 10)),
            (0.008928576, 0.696021530, 0.177446668, 0.967521002),
        ),
    ]
    for module, inputs, golden in cases:
        found = block(fill(module)(*inputs))
        assert found == pytest.approx(golden, rel=1e-6), type(module).__name__


@torch.no_grad()
def test_bridge_of_malunet():
    from segkit_baselines.six_stage import SCAB, WIDTHS

    stages = [wave(c, 64 >> k, 64 >> k) for k, c in enumerate(WIDTHS[:5], 1)]
    skips = fill(SCAB())(stages)
    golden = {
        0: (-0.000221409, 0.903060358),
        2: (0.035226346, 0.898927522),
        4: (0.044678884, 0.866759627),
    }
    for index, value in golden.items():
        assert statistics(skips[index]) == pytest.approx(value, rel=2e-6)


@torch.no_grad()
def test_blocks_of_ulite_and_tinyunet():
    from segkit_baselines.tinyunet.model import CMRF
    from segkit_baselines.ulite.model import Bottleneck, Decoder, Encoder

    out, skip = fill(Encoder(16, 32))(wave(16, 12, 10))
    assert block(out) == pytest.approx(
        (0.327525084, 0.465687127, 0.524963231, 0.691276697), rel=1e-6
    )
    assert block(skip)[:2] == pytest.approx((0.047323777, 0.980358478), rel=1e-6)
    found = block(fill(Bottleneck(32))(wave(32, 12, 10)))
    assert found == pytest.approx((0.056069290, 0.210438405, -0.102822111, -0.145562643), rel=1e-6)
    found = block(fill(Decoder(32, 16))(wave(32, 6, 5), wave(16, 12, 10)))
    assert found == pytest.approx((0.071218711, 0.221179249, 0.055373173, 0.238888752), rel=1e-6)
    found = block(fill(CMRF(32, 64))(wave(32, 12, 10)))
    assert found == pytest.approx((0.012693166, 0.087827457, 0.047727106, -0.031441906), rel=1e-6)
    found = block(fill(CMRF(64, 64))(wave(64, 12, 10)))
    assert found == pytest.approx((0.095419099, 0.794038466, 0.290129348, -0.708124825), rel=1e-6)


COUNTS = {  # config -> parameters, beyond the defaults that the contract suite checks
    ("tinyunet", ("num_classes", 2)): 481_170,
    ("attunet", ("gate", False)): 34_527_041,
    ("unetpp", ("deep_supervision", True)): 9_163_428,
    ("resenc_unet", ("stages", 5)): 37_716_452,
    ("resenc_unet", ("stages", 6)): 71_816_165,
}


@pytest.mark.parametrize("key", COUNTS, ids=str)
def test_counts_of_the_variants(key):
    name, setting = key
    network = _on_meta(name, dict([setting]))
    assert sum(p.numel() for p in network.parameters()) == COUNTS[key]


def _on_meta(name, config):
    with torch.device("meta"):
        return segkit.create(name, **config)


def test_plain_resenc_count():
    network = _on_meta("resenc_unet", {"stages": 5, "plain": True})
    assert sum(p.numel() for p in network.parameters()) == 7_766_436


@pytest.mark.parametrize(
    ("size", "stages"),
    [
        ((64, 64), 5),
        ((128, 128), 6),
        ((192, 256), 6),
        ((224, 224), 6),
        ((256, 256), 7),
        ((352, 352), 7),
        ((512, 512), 8),
    ],
)
def test_nnunets_planning_rule(size, stages):
    from segkit_baselines.resenc_unet.model import stages_for

    assert stages_for(size) == stages


def test_deeplab_by_hand():
    resnet18 = 11_689_512 - 513_000  # the published count without its classifier
    pyramid = 131_584 + 3 * 1_180_160 + 131_584 + 328_192
    decoder = 3_168 + (304 * 256 * 9 + 512) + (256 * 256 * 9 + 512) + 257
    assert plugins.get("architectures", "deeplabv3plus").params == resnet18 + pyramid + decoder


def test_malunets_memories_start_tied_and_are_trained_apart():
    from segkit_baselines.malunet.model import EA

    network = segkit.create("malunet")
    memories = [m for m in network.modules() if isinstance(m, EA)]
    assert len(memories) == 6
    for memory in memories:
        assert torch.equal(memory.keys.weight[..., 0].t(), memory.values.weight[..., 0])
        assert memory.keys.weight.data_ptr() != memory.values.weight.data_ptr()


def test_one_scan_for_four_groups_equals_four_scans():
    from segkit_baselines.ultralight_vmunet.model import PVM

    block = fill(PVM(24, 32))
    x = wave(24, 6, 5)
    tokens = block.norm(x.flatten(2).transpose(1, 2))
    parts = [block.mamba(part) + part for part in tokens.chunk(4, -1)]
    apart = block.proj(block.norm(torch.cat(parts, -1))).transpose(1, 2).unflatten(2, (6, 5))
    assert torch.allclose(block(x), apart, atol=1e-12)


def test_a_cascade_of_one_field_works():
    network = segkit.create("tinyunet", fields=1)
    assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 1, 16, 16)


def test_light_losses_by_hand():
    import math

    from segkit.api import resolve

    value = plugins.get("losses", "bce_dice")
    p, g = [0.9, 0.2, 0.7, 0.4], [1, 0, 1, 1]
    logits = torch.tensor([math.log(x / (1 - x)) for x in p], dtype=torch.float64).view(1, 1, 1, 4)
    found = resolve(value.make)(value.config())(logits, torch.tensor(g).view(1, 1, 4))
    assert found.item() == pytest.approx(0.4003674438 + 0.1935483932, abs=1e-7)


@torch.no_grad()
def test_instance_norm_of_one_pixel_is_its_bias():
    from segkit_baselines.resenc_unet.model import InstanceNorm

    norm = InstanceNorm(3).eval()
    norm.bias.copy_(torch.tensor([1.0, -2.0, 0.5]))
    assert torch.allclose(norm(torch.rand(2, 3, 1, 1))[..., 0, 0], norm.bias.expand(2, 3))
    x = torch.rand(2, 3, 4, 5)
    assert torch.equal(norm(x), torch.nn.InstanceNorm2d.forward(norm, x))
