"""Light networks of 2023 to 2026 against the released ones: logits, counts, inner rules."""

import pytest
import torch
from zoo_golden import fill, picture, statistics, wave

import segkit
from segkit.engine.costs.counting import count
from segkit.errors import UsageError

CORNERS = ((0, 0), (31, 17), (63, 63))
slow = pytest.mark.slow
LARGE = ("vmunetv2", "hvmunet", "mhorunet", "mambaliteunet", "mobileuvit_l")


def filled(name, **config):
    return fill(segkit.create(name, **config), log_decay=True)


def marked(*case):
    return pytest.param(*case, marks=[slow] if case[0] in LARGE else [])


# mean, deviation, [0,0], [31,17], [63,63] at 64x64; mean, deviation, [31,17], [63,95] at 64x96
LOGITS = {
    "mobileuvit": (
        (6.943106976e-03, 4.144215135e-03, -3.374129353e-03, 4.401972337e-03, 6.182970851e-03),
        (7.751663522e-03, 3.915538035e-03, 4.293604011e-03, 5.664691596e-03),
    ),
    "mobileuvit_l": (
        (5.890904956e-03, 2.435461165e-03, -1.485729821e-03, 1.020835287e-02, 3.384661333e-03),
        (5.848225734e-03, 2.205750405e-03, 1.027158201e-02, 3.403099978e-03),
    ),
    "ukan": (
        (6.306496410e-03, 5.743894382e-03, -9.115514748e-03, 1.392968794e-02, 1.224254905e-02),
        (6.516829814e-03, 6.264191872e-03, 1.490834714e-02, 1.782191554e-02),
    ),
    "ultralbm": (
        (7.448837992e-01, 6.039037910e-01, 3.532594085e-01, 9.757071432e-01, 1.089695734),
        (7.811181043e-01, 5.816244668e-01, 8.529086908e-01, 4.044560858e-01),
    ),
    "ultralbm_t": (
        (1.100496548e-01, 5.618977600e-01, -9.372197964e-01, 1.762091618e-01, 2.744769970),
        (1.055075021e-01, 5.013930534e-01, -1.469203285e-01, 6.554895585e-01),
    ),
    "mambaliteunet": (
        (7.264419119e-01, 3.630340576e-01, 5.521955831e-01, 8.810232840e-01, 1.447443560),
        (7.428224974e-01, 2.927132372e-01, 9.202790710e-01, 1.519938471),
    ),
    "vmunetv2": (
        (5.651422160e-06, 4.004717569e-05, -9.143920979e-06, 1.147177237e-05, 1.226941854e-05),
        (5.432639083e-06, 4.276729305e-05, 9.799877330e-06, -5.174000122e-06),
    ),
    "lgmsnet": (
        (-3.804189097e-03, 2.100665130e-03, -7.860574314e-03, -3.836805440e-03, -3.534980722e-03),
        (-3.601831769e-03, 1.912202379e-03, -3.650575044e-03, -5.233486458e-03),
    ),
    "mbsnet": (
        (-1.386538297e-02, 1.150513706e-02, 7.264263058e-03, -1.120877465e-02, -3.160936434e-02),
        (-1.454744934e-02, 9.738218021e-03, -1.120730673e-02, -5.476928772e-02),
    ),
    "hvmunet": (
        (8.166325065e-01, 6.161477054e-01, 8.571250278e-01, 7.499261718e-01, 1.111479466),
        (8.949347088e-01, 5.760470691e-01, 6.829653146e-01, 2.832595770e-01),
    ),
    "mhorunet": (
        (7.647487037e-01, 6.046013085e-01, 9.664416754e-01, 7.303672109e-01, 1.046011542),
        (8.267116207e-01, 5.609027683e-01, 6.892375894e-01, 2.249261031e-01),
    ),
}


@pytest.mark.parametrize("name", [marked(name) for name in LOGITS])
@torch.no_grad()
def test_logits(name):
    network, (square, oblong) = filled(name), LOGITS[name]
    assert statistics(network(picture()), *CORNERS) == pytest.approx(square, rel=1e-6, abs=1e-15)
    found = statistics(network(picture(64, 96)), (31, 17), (63, 95))
    assert found == pytest.approx(oblong, rel=1e-6, abs=1e-15)


@torch.no_grad()
def test_lvunet_with_and_without_its_inner_activation():
    from segkit_baselines.lvunet.model import fuse, set_slope

    network, corners = filled("lvunet"), ((0, 0), (31, 17), (127, 127))
    golden = [-1.018956570e-05, 4.626443746e-05, -4.906104359e-05, 4.228242099e-07, 3.165902713e-06]
    found = statistics(network(picture(128, 128)), *corners)
    assert found == pytest.approx(golden, rel=1e-6, abs=1e-15)
    golden = [-9.982338950e-06, 4.549610053e-05, 4.228254533e-07, -2.860250781e-04]
    found = statistics(network(picture(128, 256)), (31, 17), (127, 255))
    assert found == pytest.approx(golden, rel=1e-6, abs=1e-15)
    with pytest.raises(UsageError, match="slope 1"):
        fuse(network)
    set_slope(network, 1.0)
    logits = network(picture(128, 128))
    golden = [2.827066918e-05, 1.469657414e-04, -1.340337065e-04, 1.126603120e-05, -7.615881995e-05]
    assert statistics(logits, *corners) == pytest.approx(golden, rel=1e-6, abs=1e-15)


@torch.no_grad()
def test_a_fused_lvunet_answers_as_the_one_it_was_made_of():
    from segkit_baselines.lvunet.model import fuse

    torch.manual_seed(0)
    network = segkit.create("lvunet", slope=1.0).double()
    for module in network.modules():  # statistics that are not those of a fresh network
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.bias.uniform_(-0.5, 0.5)
    network.eval()
    fused = fuse(network)
    assert sum(p.numel() for p in fused.parameters()) == 513_585
    assert count(fused.float(), (1, 3, 256, 256)).macs == 157_070_080
    image = picture(128, 128)
    assert torch.allclose(fuse(network)(image), network(image), rtol=1e-9)


def test_a_bent_block_cannot_be_described_as_fused():
    with pytest.raises(UsageError, match="slope"):
        segkit.create("lvunet", fused=True)


def test_deep_training_ends_without_an_activation():
    from segkit_baselines.lvunet.model import deep_slope

    assert deep_slope(0, 300) == 0
    assert deep_slope(200, 300) == pytest.approx(0.5)
    assert deep_slope(300, 300) == pytest.approx(1)


@torch.no_grad()
def test_the_true_second_pass_of_ultralbm():
    golden = {
        "ultralbm": [7.449131978e-01, 6.015904584e-01, 3.525076311e-01],
        "ultralbm_t": [1.111148357e-01, 5.618600633e-01, -9.393151659e-01],
    }
    for name, values in golden.items():
        found = statistics(filled(name, second_pass="sequence")(picture()), (0, 0))
        assert found == pytest.approx(values, rel=1e-6)


@slow
@torch.no_grad()
def test_vmunetv2_without_the_coarser_head_and_at_fewer_blocks():
    golden = [5.046471591e-06, 3.838558419e-05, -6.446574264e-06, 1.187518825e-05, 1.207274710e-05]
    found = statistics(filled("vmunetv2", supervision=False)(picture()), *CORNERS)
    assert found == pytest.approx(golden, rel=1e-6, abs=1e-15)
    golden = [1.116572610e-05, 4.494902820e-05, -5.294240705e-06, 5.978374691e-06, 1.129953303e-05]
    found = statistics(filled("vmunetv2", depths=(2, 2, 2, 2))(picture()), *CORNERS)
    assert found == pytest.approx(golden, rel=1e-6, abs=1e-15)


# name, settings, parameters, tensors, batch norms' buffers, their elements, MACs at 256
COSTS = [
    ("mobileuvit", {}, 1_390_305, 274, 114, 3_942, 3_246_129_152),
    ("mobileuvit_l", {}, 6_209_217, 288, 114, 7_846, 12_444_237_824),
    ("lvunet", {}, 934_545, 205, 171, 14_121, 174_580_480),
    ("ukan", {}, 6_356_689, 174, 84, 6_844, 2_647_293_952),
    ("ukan", {"widths": (256, 320, 512)}, 25_359_265, 174, None, None, None),
    ("ultralbm", {}, 34_166, 159, 60, 380, 60_666_880),
    ("ultralbm_t", {}, 10_956, 159, 60, 200, 19_184_640),
    ("mambaliteunet", {}, 910_627, 1_010, 216, 2_720, 540_662_656),
    # the released network runs a last stage and two heads that reach nothing
    ("vmunetv2", {}, 22_770_934, 278, 12, 388, 5_338_848_128 - 555_432_960),
    ("vmunetv2", {"depths": (2, 2, 2, 2)}, 14_400_502, 187, 12, 388, 3_300_612_992 - 555_432_960),
    ("lgmsnet", {}, 2_321_393, 231, 141, 6_543, 5_005_590_528),
    ("mbsnet", {}, 3_977_361, 212, 132, 6_060, 6_773_612_544),
    # torch's counter does not see the step sizes' products of rank one (4 x 2C x tokens)
    ("hvmunet", {}, 8_972_623, 1_249, 0, 0, 1_033_627_560 + 3_235_840),
    ("mhorunet", {}, 4_962_159, 1_297, 0, 0, 574_369_704),
]


@pytest.mark.parametrize(
    ("name", "settings", "parameters", "tensors", "buffers", "elements"), [c[:6] for c in COSTS]
)
def test_sizes(name, settings, parameters, tensors, buffers, elements):
    with torch.device("meta"):
        network = segkit.create(name, **settings)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(list(network.parameters())) == tensors
    kept = [value for key, value in network.named_buffers() if not key.endswith("grid")]
    assert buffers is None or (len(kept), sum(b.numel() for b in kept)) == (buffers, elements)


COUNTED = [(name, settings, macs) for name, settings, *_, macs in COSTS if macs is not None]


@pytest.mark.parametrize(("name", "settings", "macs"), [marked(*c) for c in COUNTED])
def test_multiply_adds(name, settings, macs):
    with torch.device("meta"):
        network = segkit.create(name, **settings)
    assert count(network, (1, 3, 256, 256)).macs == macs


STAGES = [  # network, part, parameters of its members
    ("mobileuvit", "encoder", [4_832, 7_184, 49_632]),
    ("mobileuvit", "fuse", [110_976, 27_840, 7_008]),
    ("mobileuvit", "up", [18_528, 4_656, 2_352]),
    ("lvunet", "down", [21_680, 67_840, 180_240]),
    ("lvunet", "up", [350_400, 98_960, 40_000, 10_400, 3_016, 1_256]),
    ("ukan", "blocks", [774_080, 1_975_808]),
    ("ukan", "widen", [959_712, 415_584, 184_800, 13_968, 4_704]),
    ("ultralbm", "encoder", [224, 1_168, 3_480, 1_191, 3_241, 6_245]),
    ("ultralbm", "decoder", [7_713, 4_389, 1_361, 3_472, 1_160]),
    ("mambaliteunet", "encoder", [448, 4_640, 13_872, 34_841, 59_257, 124_569]),
    ("mambaliteunet", "decoder", [204_921, 118_361, 56_137, 13_856, 4_624]),
    ("mambaliteunet", "gates", [142_083, 68_611, 41_859, 21_507]),
    ("vmunetv2", "channel", [1_152, 4_608, 18_432, 73_728]),
    ("vmunetv2", "narrow", [4_704, 9_312, 18_528, 36_960]),
    ("lgmsnet", "encoder", [1_672, 1_960, 6_224, 391_424, 538_880]),
    ("lgmsnet", "fuse", [833_792, 262_592, 31_392, 8_016]),
    ("mbsnet", "joins", [4_656, 18_528, 73_920]),
    ("mbsnet", "wide", [2_736, 11_008, 43_520]),
    ("hvmunet", "encoder", [224, 1_168, 54_040, 158_168, 528_088, 1_564_696]),
    ("hvmunet", "decoder", [4_641_840, 1_427_056, 405_200, 128_128, 1_160]),
    ("mhorunet", "encoder", [224, 1_168, 13_408, 64_096, 1_643_672, 727_320]),
    ("mhorunet", "decoder", [727_192, 1_643_608, 64_064, 13_392, 1_160]),
]


@pytest.mark.parametrize(("name", "part", "expected"), STAGES)
def test_parameters_of_the_stages(name, part, expected):
    with torch.device("meta"):
        members = getattr(segkit.create(name), part)
    assert [sum(p.numel() for p in member.parameters()) for member in members] == expected


DEAD = {  # parameters that the released networks hold and never use
    "mambaliteunet": 2 * (48 + 64 + 96 + 128 + 96 + 64),
    "vmunetv2": 8_911_872 + 36_864 + 98,
    "hvmunet": 403_392,
}


@pytest.mark.parametrize("name", DEAD)
def test_dead_parameters(name):
    with torch.device("meta"):
        network = segkit.create(name)
    assert sum(p.numel() for p in network.parameters() if not p.requires_grad) == DEAD[name]


@torch.no_grad()
def test_splines_sum_to_one_between_the_inner_knots():
    from segkit_baselines.ukan.model import splines

    knots = (torch.arange(-3, 9, dtype=torch.float64) * 0.4 - 1)[None]
    x = torch.linspace(-0.999, 0.999, 41, dtype=torch.float64)[:, None]
    basis = splines(x, knots)
    assert basis.shape == (41, 1, 8)
    assert torch.allclose(basis.sum(-1), torch.ones(41, 1, dtype=torch.float64))
    assert splines(torch.tensor([[-2.3], [2.3]], dtype=torch.float64), knots).sum() == 0
    # at a knot, the three splines that reach it weigh 1/6, 4/6, 1/6
    at_knot = splines(torch.tensor([[-0.6]], dtype=torch.float64), knots)[0, 0]
    assert at_knot[1:4].tolist() == pytest.approx([1 / 6, 4 / 6, 1 / 6])


def test_splines_start_near_zero():
    from segkit_baselines.ukan.model import KANLinear, splines

    torch.manual_seed(0)
    layer = KANLinear(5, 7)
    at_knots = splines(torch.linspace(-0.99, 0.99, 50)[:, None].expand(50, 5), layer.grid)
    drawn = torch.einsum("nij,oij->noi", at_knots, layer.spline_weight)
    assert 1e-4 < drawn.abs().max() < 0.05


@pytest.mark.parametrize("size", [(8, 8), (5, 9), (1, 1), (16, 6), (7, 4)])
def test_frequencies_by_products(size):
    from segkit_baselines.mhorunet.model import filter_by_products

    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    weight = torch.randn(2, 3, size[0], size[1] // 2 + 1, dtype=torch.float64)
    spectrum = torch.fft.rfft2(x, norm="ortho") * torch.complex(*weight)
    wanted = torch.fft.irfft2(spectrum, s=size, norm="ortho")
    assert torch.allclose(filter_by_products(x, weight), wanted, atol=1e-12)


@torch.no_grad()
def test_pixels_of_one_parity_see_one_another():
    from segkit_baselines.lgmsnet.model import SparseTransformer

    block, x = fill(SparseTransformer(6, 12)), wave(6, 4, 6)
    changed = x.clone()
    changed[..., 1, 2] += torch.arange(6)
    moved = (block(changed) - block(x)).abs().sum(1)[0] > 1e-9
    assert moved[1::2, ::2].all()
    assert moved.sum() == 6


def test_splines_start_from_the_same_bits_wherever_memory_lies() -> None:
    from segkit_baselines.ukan.model import KANLinear

    held, starts = [], []
    for step in range(12):
        held.append(torch.empty(4 * step + 1))  # the next tensors lie elsewhere
        torch.manual_seed(0)
        starts.append(KANLinear(160, 160).spline_weight)
        held.append(starts[-1])
    assert all(torch.equal(starts[0], start) for start in starts[1:])


def test_splines_start_through_small_noise() -> None:
    from segkit_baselines.ukan.model import INNER, NOISE, ORDER, KANLinear, splines, through

    knots = KANLinear(1, 1).grid
    values = (torch.rand(INNER + 1, 3, 5) - 0.5) * 2 * NOISE
    at = splines(knots[0, ORDER:-ORDER, None].double(), knots.double())[:, 0]  # (6, 8)
    fitted = through(values, knots)
    back = (at.float() @ fitted.flatten(0, 1).t()).view_as(values)
    torch.testing.assert_close(back[:-1], values[:-1], atol=1e-6, rtol=0)
    smallest = torch.linalg.lstsq(at, values.flatten(1).double(), driver="gelsd").solution
    torch.testing.assert_close(fitted.flatten(0, 1).t(), smallest.float(), atol=1e-6, rtol=0)
