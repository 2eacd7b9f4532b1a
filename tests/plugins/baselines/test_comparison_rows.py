"""The networks of QTSeg's comparison tables and their neighbours against the released ones."""

import pytest
import torch
from zoo_golden import fill, filled, picture, statistics

import segkit

slow = pytest.mark.slow
CORNERS = ((0, 0), (31, 17), (63, 63))
FOR_64 = {"transunet": {"grid": (4, 4)}, "fsca_net": {"grid": (4, 4)}, "h2former": {"window": 4}}
WINDOWS_4 = {"windows": (4, 4, 4, 2)}
WINDOWS_8 = {"windows": (8, 8, 4, 2)}
LARGE = (  # more than a second or two each
    "transunet",
    "missformer",
    "swin_unet",
    "h2former",
    "pspnet",
    "segnet",
    "swin_umamba",
    "fsca_net",
    "rwkv_unet",
    "rwkv_unet_s",
)


def marked(*case):
    return pytest.param(*case, marks=[slow] if case[0] in LARGE else [])


# name, settings, mean, deviation, [0,0], [31,17], [63,63], relative tolerance
LOGITS = [
    (
        "transunet",
        FOR_64["transunet"],
        (1.58927520e-02, 1.33990743e-02, -1.02310046e-02, 4.38242441e-03, 1.94097807e-02),
        1e-6,
    ),
    (
        "swin_unet",
        WINDOWS_4,
        (-2.17325370e-02, 5.92594723e-01, 7.02096029e-01, 5.02883282e-02, 2.26595941e-01),
        2e-6,
    ),
    (
        "swin_unet",
        WINDOWS_8,
        (-1.04693357e-02, 5.74092879e-01, 7.12459368e-01, 1.45025228e-01, 2.54647544e-01),
        3e-6,
    ),
    (
        "missformer",
        {},
        (1.11600805e-01, 6.57277273e-01, 1.34867420e-01, -3.20256492e-01, -5.58631719e-01),
        1e-6,
    ),
    (
        "h2former",
        FOR_64["h2former"],
        (4.91496531e-01, 2.15968483e-01, 2.01535656e-01, 6.23174783e-01, 4.94404349e-01),
        1e-6,
    ),
    (
        "pspnet",
        {},
        (-2.66186439e-03, 1.19013499e-03, -1.73096530e-03, -4.52083784e-03, -4.72824150e-04),
        7e-5,
    ),
    (
        "segnet",
        {},
        (-1.64690261e-10, 4.40122998e-10, -8.36425541e-11, -1.62199273e-10, 1.30318466e-10),
        3e-5,
    ),
    (
        "swin_umamba",
        {},
        (8.52257505e-01, 7.32125667e-01, 6.77811182e-01, 1.25704620e00, 1.26686691e00),
        2e-6,
    ),
    (
        "rwkv_unet_t",
        {},
        (2.78495745e-02, 1.09402985e-02, 1.92560679e-02, 3.01069745e-02, -1.58902736e-03),
        1e-6,
    ),
    (
        "rwkv_unet_s",
        {},
        (2.50833444e-02, 1.26774511e-02, 8.33331486e-03, 3.53772395e-02, -1.91156226e-02),
        1e-6,
    ),
    (
        "rwkv_unet",
        {},
        (1.19668064e-02, 8.78957307e-03, 2.03624980e-02, 1.27341478e-02, -5.32438809e-03),
        1e-6,
    ),
    (
        "fsca_net",
        FOR_64["fsca_net"],
        (1.42601169e-02, 2.02084483e-02, 4.00647853e-04, 4.93686304e-03, 1.23540897e-02),
        2e-6,
    ),
    (
        "met_net",
        {},
        (-1.76047309e-02, 1.39693536e-02, -3.67528259e-03, -3.75478046e-02, -1.58928498e-03),
        1e-6,
    ),
]


@pytest.mark.parametrize(("name", "settings", "golden", "tolerance"), [marked(*c) for c in LOGITS])
@torch.no_grad()
def test_logits(name, settings, golden, tolerance):
    found = statistics(filled(name, **settings)(picture()), *CORNERS)
    assert found == pytest.approx(golden, rel=tolerance, abs=1e-15)


# an oblong picture reveals a swapped height and width: mean, deviation, [31,17], [63, last]
OBLONG = [
    (
        "transunet",
        {"grid": (4, 6)},
        (64, 96),
        (1.60783412e-02, 1.42993344e-02, 8.83473401e-03, 7.79508229e-03),
        1e-6,
    ),
    (
        "missformer",
        {},
        (64, 96),
        (8.53972485e-02, 6.72373253e-01, -2.43456362e-01, -1.03087308e00),
        1e-6,
    ),
    (
        "pspnet",
        {},
        (64, 96),
        (-2.82464542e-03, 1.37240973e-03, -4.61070912e-03, -5.34305660e-04),
        7e-5,
    ),
    (
        "segnet",
        {},
        (64, 96),
        (-2.34224651e-10, 5.88469809e-10, -6.88992934e-10, 3.45532635e-12),
        3e-5,
    ),
    ("swin_umamba", {}, (64, 96), (8.53399086e-01, 7.41790559e-01, 1.23374082, 1.49669761), 2e-6),
    (
        "rwkv_unet_t",
        {},
        (64, 96),
        (2.60202975e-02, 1.08951455e-02, 2.85414933e-02, -7.33746177e-03),
        1e-6,
    ),
    (
        "fsca_net",
        {"grid": (4, 6)},
        (64, 96),
        (1.75636122e-02, 2.16570102e-02, -2.55530344e-03, 1.39878861e-02),
        2e-6,
    ),
    (
        "met_net",
        {},
        (64, 96),
        (-1.89052469e-02, 1.49518469e-02, -3.75501711e-02, -1.42336341e-03),
        1e-6,
    ),
    (
        "swin_unet",
        WINDOWS_4,
        (64, 128),
        (-2.42896317e-02, 5.90076754e-01, 5.22278620e-02, 3.52717424e-01),
        2e-6,
    ),
]


@pytest.mark.parametrize(
    ("name", "settings", "size", "golden", "tolerance"), [marked(*c) for c in OBLONG]
)
@torch.no_grad()
def test_oblong_logits(name, settings, size, golden, tolerance):
    logits = filled(name, **settings)(picture(*size))
    found = statistics(logits, (31, 17), (63, size[1] - 1))
    assert found == pytest.approx(golden, rel=tolerance, abs=1e-15)


# the sizes at which the released code runs unmodified
OWN_SIZES = [
    (
        "swin_unet",
        224,
        (-1.08380641e-02, 5.77020855e-01, 6.11739167e-01, 1.35512691e-01, 1.21836928e-02),
        3e-5,
    ),
    (
        "missformer",
        224,
        (1.38759385e-01, 6.82234617e-01, 2.89912141e-02, -1.36004475e-01, -7.74175326e-01),
        2e-6,
    ),
    (
        "pspnet",
        65,
        (-2.78977712e-03, 1.37741540e-03, -1.83010931e-03, -4.79192764e-03, -2.53257313e-04),
        7e-5,
    ),
]


@slow
@pytest.mark.parametrize(("name", "side", "golden", "tolerance"), OWN_SIZES)
@torch.no_grad()
def test_logits_at_their_own_size(name, side, golden, tolerance):
    logits = filled(name)(picture(side, side))
    found = statistics(logits, (0, 0), (31, 17), (side - 1, side - 1))
    assert found == pytest.approx(golden, rel=tolerance)


# network, settings, module, position in its output (a path; None: one tensor), mean, deviation
INSIDE = [
    ("transunet", FOR_64["transunet"], "encoder", (1, 0), 1.424177074, 1.763482904),
    ("transunet", FOR_64["transunet"], "encoder", (1, 1), 0.953532656, 1.351059885),
    ("transunet", FOR_64["transunet"], "encoder", (1, 2), 0.337520527, 0.618539173),
    ("transunet", FOR_64["transunet"], "norm", (), 0.0, 0.999999989),
    ("pspnet", {}, "stages.3", (), 0.007780058, 0.011347035),
    ("fsca_net", FOR_64["fsca_net"], "skips", (0,), 0.389999341, 0.465721619),
    ("fsca_net", FOR_64["fsca_net"], "skips", (1,), 0.313718025, 0.420702257),
    ("fsca_net", FOR_64["fsca_net"], "skips", (2,), 0.316181975, 0.424383435),
    ("fsca_net", FOR_64["fsca_net"], "skips", (3,), 0.299223189, 0.417038346),
    ("rwkv_unet_t", {}, "encoder.stages.0", (), 0.009910819, 0.049268147),
    ("rwkv_unet_t", {}, "encoder.stages.1", (), -1.301128e-4, 0.004517789),
    ("rwkv_unet_t", {}, "encoder.stages.2", (), -6.12296e-6, 6.449424e-4),
    ("rwkv_unet_t", {}, "encoder.stages.3", (), -0.394449621, 1.998310348),
    ("rwkv_unet_t", {}, "encoder.stages.4", (), -0.0908321, 0.8342364),
]


@pytest.mark.parametrize(
    ("name", "settings", "module", "place", "mean", "deviation"), [marked(*c) for c in INSIDE]
)
@torch.no_grad()
def test_inside(name, settings, module, place, mean, deviation):
    network, given = filled(name, **settings), []
    network.get_submodule(module).register_forward_hook(lambda *seen: given.append(seen[-1]))
    network(picture())
    found = given[0]
    for index in place:
        found = found[index]
    expected = pytest.approx([mean, deviation], rel=2e-6, abs=1e-9)
    assert statistics(found) == expected


@slow
@torch.no_grad()
def test_maps_of_missformers_bridge():
    network, given = filled("missformer"), []
    mix = network.mix
    network.mix = lambda pyramid: given.extend(mix(pyramid)) or given
    network(picture())
    golden = [
        (0.078957179, 2.288768587),
        (0.373554501, 2.669274434),
        (0.048910622, 2.449962413),
        (-0.005992808, 2.446571677),
    ]
    for found, value in zip(given, golden, strict=True):
        assert statistics(found) == pytest.approx(value, rel=1e-6)


@slow
@torch.no_grad()
def test_heads_and_stages_of_swin_umamba():
    network = filled("swin_umamba")
    aux = network.forward_aux(picture())
    assert [x.shape[-1] for x in aux] == [64, 32, 16, 8]
    golden = [
        (0.42230403, 0.52819968),
        (0.01807792, 0.61361054),
        (-0.32375008, 0.54136360),
    ]
    for found, value in zip(aux[1:], golden, strict=True):
        assert statistics(found) == pytest.approx(value, rel=2e-6)
    maps = network.encoder(picture())
    deviations = [x.std(correction=0).item() for x in maps[1:]]
    assert deviations == pytest.approx([1.18135744, 0.92864368, 2.21254605, 0.89124602], rel=2e-6)


@torch.no_grad()
def test_patches_of_h2former():
    from segkit_baselines.h2former.model import PatchEmbedding

    token = fill(PatchEmbedding(3))(picture())[0, 0, 0, 0]
    # its source prints 0.177842842: one digit is off, while the five figures of the whole network,
    # which go through this layer, agree to 3e-9
    assert token.item() == pytest.approx(0.177852842, rel=1e-6)


@torch.no_grad()
def test_rwkv_with_decays():
    network = fill(segkit.create("rwkv_unet_t"))
    for name, parameter in network.named_parameters():
        channel = torch.arange(parameter.numel(), dtype=torch.float64)
        if name.endswith("att.decay"):
            parameter.copy_(channel.sin())
        elif name.endswith("att.first"):
            parameter.copy_(channel.cos())
    found = statistics(network(picture()), *CORNERS)
    golden = [2.80478380e-02, 1.08902991e-02, 1.96786922e-02, 3.03969320e-02, -1.67316886e-03]
    assert found == pytest.approx(golden, rel=1e-6)


@torch.no_grad()
def test_a_larger_grid_than_one_window_is_shifted():
    """Two windows a side: a pixel of the last window meets the one before it by the shift only."""
    from segkit_baselines.windows import WindowAttention

    torch.manual_seed(0)
    x = torch.randn(1, 8, 8, 6)
    for side, moved in ((8, True), (4, False)):
        piece = x[:, :side, :side]
        attention = WindowAttention(6, 2, 4, shifted=True).eval()
        plain = WindowAttention(6, 2, 4, shifted=False).eval()
        plain.load_state_dict(attention.state_dict())
        assert torch.allclose(attention(piece), plain(piece)) is not moved
    changed = x.clone()
    changed[0, 0, 0] += 1  # the corner's neighbours by the roll must not see it
    attention = WindowAttention(6, 2, 4, shifted=True).eval()
    assert torch.allclose(attention(x)[0, 6:, 6:], attention(changed)[0, 6:, 6:], atol=1e-6)


@torch.no_grad()
def test_tables_of_another_grid():
    """Resampled tables: the same where the grid is the same, finite and new elsewhere."""
    for name in ("transunet", "fsca_net"):
        part = _tables(name)
        assert part((4, 4)) is part((4, 4))
        assert part((8, 6)).shape[1] == 48


def _tables(name):
    from segkit_baselines.fsca_net.model import Embedding
    from segkit_baselines.transunet.model import TransUNet

    if name == "fsca_net":
        return Embedding(64, 16, (4, 4)).positions
    network = TransUNet.__new__(TransUNet)
    torch.nn.Module.__init__(network)
    network.grid, network.position = (4, 4), torch.nn.Parameter(torch.randn(1, 16, 768))
    return network.positions


@torch.no_grad()
def test_a_projection_of_another_grid_keeps_its_sum():
    from segkit_baselines.fsca_net.model import Attention

    attention = Attention(64, 8, (4, 4))
    torch.nn.init.ones_(attention.project.weight)
    assert attention.projection((8, 8)).sum(1) == pytest.approx(16.0)


def test_pspnets_pooling_of_any_size():
    from segkit_baselines.pspnet import model

    x = torch.randn(1, 2, 7, 11, dtype=torch.float64)
    for bins in model.BINS:
        written = model._averages(7, bins, x) @ x @ model._averages(11, bins, x).t()
        assert torch.allclose(written, torch.nn.functional.adaptive_avg_pool2d(x, bins))
