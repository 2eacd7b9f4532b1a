"""DermoMamba against figures measured on the released network (float64), for every scan backend."""

from functools import partial

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from segkit.errors import SegkitError
from segkit.ops import available_backends, backend_in_use, using_backend
from segkit_dermomamba.weights import LAYOUT

EXACT, SINGLE = 1e-8, 2e-5  # stated tolerances: float64, float32
TOLERANCE = {torch.float64: EXACT, torch.float32: SINGLE}


@pytest.fixture(params=["native", "torch", "reference", "export"])
def backend(request):
    if request.param not in available_backends():
        pytest.skip(f"backend {request.param} does not work here")
    with using_backend(request.param):
        yield request.param


@pytest.fixture
def dtype(backend):
    """The most exact type that the backend scans."""
    try:
        backend_in_use(dtype=torch.float64)
    except SegkitError:  # the native kernels are float32
        return torch.float32
    return torch.float64


def near(value, expected, tolerance=EXACT):
    value = value.item() if isinstance(value, torch.Tensor) else value
    assert value == pytest.approx(expected, rel=0, abs=tolerance)


def statistics(output):
    return output.double().mean().item(), output.double().std(unbiased=False).item()


@torch.no_grad()
def check(network, image, mean, std, at, value, tolerance):
    logits = network(image)
    got = statistics(logits)
    near(got[0], mean, tolerance)
    near(got[1], std, tolerance)
    near(logits[0, 0, at[0], at[1]], value, tolerance)


def targets(size, one, two):
    row, column = (torch.arange(n, dtype=torch.float64) for n in size)
    row = row[:, None]
    first = (row - one[0]) ** 2 + (column - one[1]) ** 2 < one[2]
    second = (row - two[0]) ** 2 / 4 + (column - two[1]) ** 2 < two[2]
    return torch.stack([first, second]).double()


def test_the_fill_is_the_stated_one(make_network, make_input):
    state = LAYOUT.to_original(make_network().state_dict())
    start = state["e1.pw.weight"].flatten()[:3].tolist()
    assert start == pytest.approx([-0.0386206502, -0.0558885830, 0.1412118937], abs=1e-10)
    image = make_input((1, 3, 192, 256), 7)
    start = image.flatten()[:3].tolist()
    assert start == pytest.approx([0.0613432594, 0.6648351324, 0.4646474826], abs=1e-10)
    near(image.mean(), 0.501123892)


def test_small_pictures(dtype, make_network, make_input):
    for kind in {dtype, torch.float32}:
        image = make_input((1, 3, 64, 64), 7).to(kind)
        expected = (0.076260322, 0.034211538, (32, 32), 0.058487268)
        check(make_network(kind), image, *expected, TOLERANCE[kind])
        expected = (0.078523580, 0.034501220, (32, 32), 0.069638752)
        check(make_network(kind, grid=(2, 2)), image, *expected, TOLERANCE[kind])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["triton", "mamba", "torch"])
def test_small_pictures_on_a_gpu(name, make_network, make_input):
    if name not in available_backends("cuda"):
        pytest.skip(f"backend {name} does not work here")
    image = make_input((1, 3, 64, 64), 7).float().cuda()
    expected = (0.078523580, 0.034501220, (32, 32), 0.069638752)
    with using_backend(name), torch.backends.cudnn.flags(allow_tf32=False):
        check(make_network(torch.float32, grid=(2, 2)).cuda(), image, *expected, SINGLE)


def test_a_small_training_step(backend, dtype, make_network, make_input):
    if backend == "export":
        pytest.skip("exporters never train")
    network = make_network(dtype, grid=(2, 2)).train()
    target = targets((64, 64), (30, 40, 400), (20, 30, 100)).to(dtype)
    assert target.sum((1, 2)).tolist() == [1245, 617]
    logits = network(make_input((2, 3, 64, 64), 7).to(dtype))
    loss = binary_cross_entropy_with_logits(logits[:, 0], target)
    loss.backward()
    close = partial(pytest.approx, rel=1e-8 if dtype == torch.float64 else 1e-3)
    assert statistics(logits.detach())[1] == close(0.823766799)
    assert logits[1, 0, 32, 32].item() == close(0.281539636)
    assert loss.item() == close(0.724385973)
    norms = gradient_norms(network)
    assert sum(norm**2 for norm in norms.values()) ** 0.5 == close(45.623335519)
    assert norms["pw_in.weight"] == close(6.809408668)
    assert norms["e1.resmamba.block.vss.self_attention.A_logs"] == close(0.4391843585)
    assert norms["b1.mamba2.in_proj.weight"] == close(0.07440973508)
    assert min(norms.values()) > 0  # every parameter gets a gradient


def gradient_norms(network):
    """Norms by original name; a parameter without a gradient fails."""
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return {
        name: gradient.norm().item() for name, gradient in LAYOUT.to_original(gradients).items()
    }


@torch.no_grad()
def test_bottleneck_modules_alone(dtype, make_network, make_input):
    bottleneck, tolerance = make_network(dtype).bottleneck, TOLERANCE[dtype]
    close = partial(pytest.approx, rel=0, abs=tolerance)
    plane = (2 * make_input((1, 64, 6, 8), 11) - 1).permute(0, 2, 3, 1).to(dtype)
    output = bottleneck.sweep.plane(plane)
    assert statistics(output) == close((-0.003041177, 0.327876915))
    assert output[0, 0, 0, :2].tolist() == close([-0.782016856, 0.188516450])
    x = (2 * make_input((1, 512, 6, 8), 17) - 1).to(dtype)
    output = bottleneck.attention(x)
    assert statistics(output) == close((0.004178662, 0.199138084))
    near(output[0, 0, 3, 4], 0.274693408, tolerance)
    near(output[0, 511, 3, 4], 0.276169528, tolerance)
    output = bottleneck.sweep(x)
    assert statistics(output) == close((0.383667267, 0.570185947))
    near(output[0, 511, 3, 4], 0.648728032, tolerance)


@torch.no_grad()
def test_skip_attention_alone(make_network, make_input):
    output = make_network().gates[0](2 * make_input((1, 32, 24, 32), 19) - 1)
    assert statistics(output) == pytest.approx((0.000071485, 0.120447159), abs=EXACT)
    near(output[0, 0, 3, 4], -0.159671099)
    near(output[0, 31, 3, 4], 0.027961548)


@torch.no_grad()
def test_cross_scale_block_alone(make_network, make_input):
    block = make_network().encoder[0].residual.cross_scale
    output = block(2 * make_input((1, 16, 192, 256), 13) - 1)
    assert statistics(output) == pytest.approx((0.379860357, 0.601145131), abs=EXACT)
    near(output.max(), 6.845682105)
    near(output[0, 9, 100, 50], 0.617377989)


@torch.no_grad()
def test_general_equals_faithful_to_the_bit(make_network, make_input):
    image = make_input((1, 3, 192, 256), 7).float()
    general, faithful = (
        make_network(torch.float32, variant=name)(image) for name in ("general", "faithful")
    )
    assert torch.equal(general, faithful)
    near(general[0, 0, 95, 127], 0.217668688, SINGLE)


BLOCKS = {
    "stem": (0.074158885, 0.723728061),
    "encoder.0": (0.900788518, 1.050778159),
    "encoder.1": (1.181586262, 1.210199449),
    "encoder.2": (1.585786560, 2.033373101),
    "encoder.3": (1.791247406, 2.117725470),
    "encoder.4": (1.794302696, 2.179046343),
    "gates.0": (0.031096384, 0.078139055),
    "gates.4": (0.145300061, 0.539581469),
    "bottleneck.attention": (0.254823650, 1.325050324),
    "bottleneck.sweep": (2.225159883, 2.842945028),
    "decoder.0": (0.992783168, 1.558417340),
    "decoder.1": (0.356555107, 0.727420824),
    "decoder.2": (0.109937231, 0.324554583),
    "decoder.3": (0.100787082, 0.242769654),
    "decoder.4": (0.005220270, 0.142422987),
}
POINTS = {
    (0, 0): 0.038412447,
    (10, 200): 0.085772281,
    (95, 127): 0.217668688,
    (96, 128): 0.203092642,
    (191, 255): 0.096132644,
}


@pytest.mark.slow
@torch.no_grad()
def test_every_block_at_the_native_size(dtype, make_network, make_input):
    network, seen, tolerance = make_network(dtype), {}, TOLERANCE[dtype]

    def record(name):
        def hook(module, inputs, output):
            seen[name] = statistics(output[0] if isinstance(output, tuple) else output)

        return hook

    for name in BLOCKS:
        network.get_submodule(name).register_forward_hook(record(name))
    logits = network(make_input((1, 3, 192, 256), 7).to(dtype))
    for name, expected in BLOCKS.items():
        assert seen[name] == pytest.approx(expected, rel=0, abs=tolerance), name
    assert statistics(logits) == pytest.approx((0.128310309, 0.049820300), rel=0, abs=tolerance)
    near(logits.min(), -0.096213043, tolerance)
    near(logits.max(), 0.355063027, tolerance)
    for (row, column), expected in POINTS.items():
        near(logits[0, 0, row, column], expected, tolerance)


GENERAL = [
    ((256, 256), (6, 8), 0.137113535, 0.052738194, 0.189256847),
    ((200, 300), (6, 8), 0.141116203, 0.051965265, 0.188507679),
    ((256, 256), (8, 8), 0.138947962, 0.053648523, 0.173986744),
]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "grid", "mean", "std", "centre"), GENERAL)
def test_other_sizes(make_network, make_input, size, grid, mean, std, centre):
    image = make_input((1, 3, *size), 7)
    middle = (size[0] // 2, size[1] // 2)
    check(make_network(grid=grid), image, mean, std, middle, centre, EXACT)


@pytest.mark.slow
def test_a_training_step_at_the_native_size(make_network, make_input):
    network = make_network().train()
    target = targets((192, 256), (90, 120, 2500), (60, 180, 900))
    assert target.sum((1, 2)).tolist() == [7825, 5629]
    logits = network(make_input((2, 3, 192, 256), 7))
    loss = binary_cross_entropy_with_logits(logits[:, 0], target)
    loss.backward()
    assert statistics(logits.detach()) == pytest.approx((0.024151607, 0.816067752), abs=EXACT)
    near(logits[1, 0, 95, 127], 0.552696096)
    near(loss, 0.783911735)
    norms = gradient_norms(network)
    near(sum(norm**2 for norm in norms.values()) ** 0.5, 16.10947931, 1e-7)
    expected = {
        "pw_in.weight": 2.25601853,
        "e1.resmamba.block.vss.self_attention.A_logs": 0.0933933169,
        "e1.resmamba.block.vss.self_attention.dt_projs_bias": 0.0959118050,
        "e1.resmamba.block.dw3.mixer_w.weight": 1.39074145,
        "e3.resmamba.block.vss.self_attention.x_proj_weight": 0.101143796,
        "e5.pw.weight": 2.16253431,
        "b2.dw.weight": 0.163441959,
        "b1.mamba2.in_proj.weight": 0.0467785508,
        "b1.mamba3.Ds": 0.00401269857,
        "s3.ChannelGate.mlp.1.weight": 0.0176069611,
        "d1.pw2.weight": 0.448612763,
        "conv_out.weight": 0.194260287,
    }
    for name, value in expected.items():
        near(norms[name], value, 1e-8)
    assert min(norms.values()) > 0
