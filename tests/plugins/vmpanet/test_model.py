"""VMPANet's parameters, shapes, switches and padding."""

import pytest
import torch

from segkit import build
from segkit.errors import UsageError
from segkit_vmpanet import ARCHITECTURE, VMPANetConfig
from segkit_vmpanet.model import DS_WEIGHTS, VMPANet


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def network():
    return VMPANet()


def test_parameters_in_total(network):
    assert parameters(network) == 382_658 == ARCHITECTURE.params


def test_parameters_of_every_level(network):
    assert [parameters(m) for m in network.encoders] == [5_918, 17_926, 39_942, 70_150, 109_446]
    assert [parameters(m) for m in network.decoders] == [6_739, 14_915, 24_915, 36_099, 49_363]
    assert [parameters(m) for m in network.fusions] == [328, 1_040, 2_136, 3_616]
    assert [parameters(m) for m in network.heads] == [9, 17, 25, 33, 41]


def test_parameters_inside_the_outer_levels(network):
    for level, sizes in ((0, (1_888, 3_920, 88, 11, 11)), (4, (79_080, 28_560, 1_720, 43, 43))):
        encoder = network.encoders[level]
        parts = (encoder.local, encoder.glob, encoder.mix, encoder.prompt1, encoder.prompt2)
        assert tuple(map(parameters, parts)) == sizes
    for level, sizes in (
        (0, (3_920, 1_376, 184, 592, 523, 144)),
        (4, (28_560, 7_200, 2_200, 5_520, 2_603, 3_280)),
    ):
        assert tuple(map(parameters, network.decoders[level].steps)) == sizes


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (96, 160), (224, 224), (256, 256), (50, 33)])
def test_shapes(size):
    with torch.device("meta"):
        network = VMPANet().eval()
        image = torch.zeros(2, 3, *size)
    assert network(image).shape == (2, 1, *size)
    assert [tuple(out.shape) for out in network.forward_aux(image)] == [(2, 1, *size)] * 5


def test_forward_is_the_first_of_forward_aux(network):
    image = torch.rand(1, 3, 40, 70, generator=torch.manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network.eval()(image), network.forward_aux(image)[0])


@torch.no_grad()
def test_padding_repeats_the_border_and_is_cropped(make_network, image):
    network, part = make_network(), image[..., :50, :41]
    padded = torch.nn.functional.pad(part, (0, 64 - 41, 0, 64 - 50), mode="replicate")
    assert torch.equal(network(part), network(padded)[..., :50, :41])


def test_one_picture_of_32_trains():
    network = VMPANet().train()
    outputs = network.forward_aux(torch.rand(1, 3, 32, 32))
    sum(output.square().mean() for output in outputs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_more_classes():
    with torch.device("meta"):
        network = build.create("vmpanet", num_classes=4, in_channels=1)
    assert network.forward_aux(torch.zeros(1, 1, 64, 64, device="meta"))[4].shape == (1, 4, 64, 64)


def test_prompts_are_the_maps_of_the_encoders(make_network, image):
    network = make_network()
    with torch.no_grad():
        maps = getattr(network, ARCHITECTURE.maps)(image[..., :50, :64])
    assert list(maps)[:3] == ["p1 level 1", "p2 level 1", "p1 level 2"]
    assert maps["p2 level 1"].shape == (1, 1, 50, 64)
    assert maps["p1 level 5"].shape == (1, 1, 4, 4)
    assert len(maps) == 10
    without = make_network(pcm_prompt=False)
    assert without.prompts(image) == {}
    assert make_network(pcm=False).prompts(image) == {}


@torch.no_grad()
def test_fast_heads_give_the_same(make_network, image):
    slow, fast = make_network(num_classes=3), make_network(num_classes=3, fast_heads=True)
    for one, other in zip(slow.forward_aux(image), fast.forward_aux(image), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@torch.no_grad()
def test_flat_softmax_normalises_all_entries_together(make_network, image):
    row, flat = make_network(), make_network(caf_softmax="flat")
    assert parameters(row) == parameters(flat)
    assert (row(image) - flat(image)).abs().max() > 1e-3
    scores = torch.randn(2, 5, 5, generator=torch.manual_seed(0))
    torch.testing.assert_close(row.fusions[0]._normalise(scores).sum(-1), torch.ones(2, 5))
    torch.testing.assert_close(flat.fusions[0]._normalise(scores).sum((1, 2)), torch.ones(2))


@torch.no_grad()
def test_mixing_weights_matter(make_network, image):
    logits = make_network()(image)
    for name, value in (("lam1", 0.3), ("lam2", 0.7), ("mu1", 0.5), ("mu2", 0.0)):
        assert not torch.allclose(make_network(**{name: value})(image), logits), name


def test_state_size_and_expansion_reach_the_scan():
    network = build.create("vmpanet", d_state=8, expand=1)
    scan = network.encoders[2].glob.vss.self_attention
    assert scan.A_logs.shape == (4 * 24, 8)


ABLATIONS = [
    ({"pcm": False, "mca": False, "caf": False}, 26_541, 0.190087),
    ({"mca": False, "caf": False}, 246_307, 0.693040),
    ({"pcm": False, "caf": False}, 158_572, 0.626205),
    ({"pcm": False, "mca": False}, 30_861, 0.221026),
    ({"caf": False}, 378_338, 1.129158),
    ({"mca": False}, 250_627, 0.723979),
    ({"pcm": False}, 162_892, 0.657143),
    ({}, 382_658, 1.160096),
    ({"pcm_conv": False}, 222_706, 0.725478),
    ({"pcm_mamba": False}, 306_187, 1.058100),
    ({"pcm_prompt": False}, 382_388, 1.157892),
    ({"mca_ss2d": False}, 306_322, 1.059027),
    ({"mca_dw": False}, 361_378, 0.997473),
    ({"easc": False}, 348_243, 0.987671),
    ({"ee": False}, 368_658, 1.078164),
    ({"sa": False}, 374_843, 1.097588),
    ({"ca": False}, 375_378, 1.160089),
    ({"dw_kernels": (3, 3, 3, 3)}, 367_298, 1.041345),
    ({"dw_kernels": (3, 3, 5, 5)}, 371_138, 1.071033),
    ({"dw_kernels": (3, 5, 7, 7)}, 378_818, 1.130408),
    ({"ee_pointwise": False}, 378_778, 1.144179),
]


@pytest.mark.parametrize(("switches", "count", "gigas"), ABLATIONS)
def test_ablations(switches, count, gigas):
    with torch.device("meta"):
        network = VMPANet(VMPANetConfig(**switches))
    assert parameters(network) == count
    operations = build.resolve(ARCHITECTURE.paper_counter[1])(network, (256, 256))
    assert round(operations / 1e9, 6) == pytest.approx(gigas, abs=1.1e-6)


def test_weights_of_the_heads():
    assert VMPANet().aux_weights == (1, 1, 1, 1, 1)
    presets = {name: VMPANet(VMPANetConfig(ds_weights=name)).aux_weights for name in DS_WEIGHTS}
    assert presets["shallow"] == (1, 0.8, 0.6, 0.4, 0.2)
    assert presets["deep"] == presets["shallow"][::-1]
    assert presets["none"] == ()


@pytest.mark.parametrize(
    "settings", [{"channels": [8, 16, 24, 32, 42]}, {"dw_kernels": [3, 5, 7, 8]}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UsageError, match="must be"):
        build.model_config("vmpanet", settings)
