"""Every baseline against the figures of the released networks: counts, logits, single blocks."""

import pytest
import torch
from zoo_golden import HADAMARD, fill, filled, picture, statistics

import segkit

CORNERS = ((0, 0), (31, 17), (63, 63))
slow = pytest.mark.slow

# name, config, mean, deviation, [0,0], [31,17], [63,63], relative tolerance
LOGITS = [
    ("egeunet", {}, 0.316229505, 0.472429472, -0.395666274, 0.523756014, 0.377757892, 1e-6),
    ("malunet", {}, 0.905920744, 0.652192074, 0.710319935, 1.250474431, 1.305699050, 1e-6),
    (
        "ultralight_vmunet",
        {},
        0.908031159,
        0.683987076,
        0.573947674,
        1.203381195,
        1.295153978,
        1e-6,
    ),
    ("ulite", {}, 0.0529154856, 0.0388927210, 0.0279821979, 0.1085753448, 0.1294627293, 1e-6),
    ("tinyunet", {}, 0.406330667, 0.162111055, 0.00247343146, 0.542637464, 0.00121876327, 1e-6),
    ("unext", {}, 1.3283017e-01, 6.2163586e-02, 1.1004806e-01, 9.2153265e-02, 1.2136703e-01, 1e-6),
    (
        "unext_s",
        {},
        2.8970807e-02,
        4.1394545e-02,
        -4.2196307e-02,
        5.8947200e-02,
        9.4999987e-02,
        1e-6,
    ),
    (
        "cmunext",
        {},
        -7.2982653e-04,
        4.1268575e-04,
        -3.4124049e-04,
        -8.4067673e-04,
        -5.7701666e-04,
        1e-6,
    ),
    (
        "cmunext_s",
        {},
        1.6611365e-04,
        1.0868037e-04,
        6.8023866e-05,
        2.2834018e-04,
        2.2779603e-04,
        1e-6,
    ),
    (
        "mkunet",
        {},
        -7.6018735e-04,
        2.0948546e-02,
        1.4316589e-02,
        -2.5165431e-02,
        -2.0483342e-02,
        1e-6,
    ),
    (
        "mkunet_s",
        {},
        4.7457409e-03,
        3.1612155e-02,
        1.9139674e-02,
        -2.3962927e-02,
        -2.0164051e-02,
        1e-6,
    ),
    (
        "mkunet_t",
        {},
        2.7513635e-02,
        3.7629721e-02,
        4.1227115e-02,
        -2.1720767e-03,
        -4.8507631e-03,
        1e-6,
    ),
    (
        "mkunet_m",
        {},
        -2.4882607e-02,
        2.0918282e-02,
        -1.6961213e-02,
        -3.7885295e-02,
        -5.3572098e-02,
        1e-6,
    ),
    (
        "segformer_b0",
        {},
        -4.5913754e-02,
        1.0690004e-01,
        2.8262236e-03,
        7.6468588e-02,
        -9.3798455e-02,
        1e-6,
    ),
    (
        "unetpp",
        {},
        1.0117727e-02,
        4.1110668e-03,
        -2.1027364e-03,
        9.2218540e-03,
        7.5227882e-03,
        1e-6,
    ),
    pytest.param(
        "mkunet_l",
        {},
        1.1141334e-02,
        1.4360110e-02,
        1.8418291e-02,
        6.7253649e-04,
        6.3788300e-03,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "cmunext_l",
        {},
        -3.3050470e-04,
        1.5750959e-04,
        7.0790903e-05,
        -5.5826003e-04,
        -2.6359866e-04,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "vmunet",
        {},
        9.4373873e-03,
        6.6946363e-01,
        1.3540014,
        -1.2354973,
        1.2783605,
        2e-6,
        marks=slow,
    ),
    pytest.param(
        "vmunet_full",
        {},
        1.7554314e-03,
        6.864065e-01,
        1.3524753,
        -7.385467e-01,
        1.2241631,
        2e-5,
        marks=slow,
    ),
    pytest.param(
        "attunet",
        {},
        -5.7341654e-03,
        3.4504940e-03,
        -1.7785074e-03,
        -7.4023167e-03,
        8.5541653e-04,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "attunet",
        {"gate": False},
        -1.1501463e-02,
        6.9339281e-03,
        -3.6032011e-03,
        -1.5067973e-02,
        1.7232556e-03,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "unetpp_r34",
        {},
        9.6946321e-02,
        1.9195578e-02,
        1.2752127e-02,
        1.2384756e-01,
        4.5201586e-02,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "segformer_b1",
        {},
        2.2420904e-01,
        5.4832004e-02,
        2.0477381e-01,
        1.6057693e-01,
        2.6266976e-01,
        1e-6,
        marks=slow,
    ),
    pytest.param(
        "resenc_unet",
        {"stages": 5},
        2.012754e-01,
        5.052619e-01,
        1.636699e-01,
        6.41541e-03,
        7.234425e-01,
        4e-6,
        marks=slow,
    ),
    pytest.param(
        "resenc_unet",
        {"stages": 6},
        2.012564e-01,
        5.051528e-01,
        1.657097e-01,
        1.182162e-02,
        7.268682e-01,
        2e-6,
        marks=slow,
    ),
    pytest.param(
        "resenc_unet",
        {"stages": 5, "plain": True},
        2.045372e-01,
        4.768789e-01,
        -8.420469e-02,
        1.413016e-01,
        1.466349,
        1e-6,
        marks=slow,
    ),
]


@pytest.mark.parametrize(
    ("name", "config", "mean", "deviation", "a", "b", "c", "tolerance"), LOGITS
)
@torch.no_grad()
def test_logits(name, config, mean, deviation, a, b, c, tolerance):
    found = statistics(filled(name, **config)(picture()), *CORNERS)
    assert found == pytest.approx([mean, deviation, a, b, c], rel=tolerance, abs=1e-12)


# the oblong input reveals a swapped height and width: mean, deviation, [31,17], [63,95]
OBLONG = [
    ("unext", {}, 1.4859534e-01, 6.4423825e-02, 8.3680076e-02, 1.5420884e-01),
    ("cmunext", {}, -8.6927760e-04, 4.2853387e-04, -8.4067673e-04, -3.7640378e-04),
    ("mkunet", {}, -3.0029291e-03, 2.0849012e-02, -2.5200334e-02, 1.4782507e-02),
    ("segformer_b0", {}, -7.570424e-02, 1.1448541e-01, 1.1355762e-01, -1.691659e-01),
    pytest.param("vmunet", {}, 1.7235603e-02, 6.6897362e-01, -1.0571191, 1.3150557, marks=slow),
    pytest.param(
        "resenc_unet",
        {"stages": 5},
        2.056321e-01,
        5.102020e-01,
        7.014319e-02,
        -1.086503,
        marks=slow,
    ),
]


@pytest.mark.parametrize(("name", "config", "mean", "deviation", "a", "b"), OBLONG)
@torch.no_grad()
def test_oblong_logits(name, config, mean, deviation, a, b):
    found = statistics(filled(name, **config)(picture(64, 96)), (31, 17), (63, 95))
    assert found == pytest.approx([mean, deviation, a, b], rel=4e-6)


@slow
@torch.no_grad()
def test_seven_stages_at_128():
    found = statistics(filled("resenc_unet")(picture(128, 128)), *CORNERS)
    golden = [1.955348e-01, 5.040120e-01, -1.009895e-01, 1.042096e-01, 3.760946e-01]
    assert found == pytest.approx(golden, rel=2e-6)


@torch.no_grad()
def test_unetpp_supervised_path():
    aux = filled("unetpp", deep_supervision=True).forward_aux(picture())
    golden = [1.6458279e-02, 5.8478033e-03, 3.2552591e-03, 1.6354857e-02, 2.7366868e-02]
    assert statistics(aux[-1], *CORNERS) == pytest.approx(golden, rel=1e-6)


@torch.no_grad()
def test_egeunet_supervised_stages():
    aux = filled("egeunet").forward_aux(picture())
    sized = [
        torch.nn.functional.interpolate(m, (64, 64), mode="bilinear", align_corners=True)
        for m in aux[1:]
    ]
    golden = [
        (0.374964388, 0.335631763),
        (0.338953254, 0.221230568),
        (0.205113419, 0.466066342),
        (0.222806708, 0.173536272),
        (0.412138350, 0.0641556845),
    ]
    for found, value in zip(sized, golden, strict=True):
        assert statistics(found) == pytest.approx(value, rel=1e-6)


@torch.no_grad()
def test_ultralight_with_mambas_own_decay():
    network = fill(segkit.create("ultralight_vmunet"), log_decay=True)
    logits = network(picture())
    assert logits.mean().item() == pytest.approx(0.908057343, rel=1e-6)
    assert logits[0, 0, 31, 17].item() == pytest.approx(1.202604886, rel=1e-6)


@torch.no_grad()
def test_tinyunet_second_class():
    logits = filled("tinyunet", num_classes=2)(picture())
    found = statistics(logits[:, 1:], *CORNERS)
    golden = [-0.452705006, 0.171164969, -0.0160244718, -0.580942495, 0.000269415552]
    assert found == pytest.approx(golden, rel=1e-6)
    one = filled("tinyunet")(picture())
    assert torch.allclose(logits[:, :1], one, rtol=1e-9)


# network, module, index in its output (None: one tensor), mean, deviation of what it gives
INSIDE = [
    ("egeunet", "encoder.3", None, -0.006296245, 0.203692527),
    ("egeunet", "encoder.5", None, -0.009895380, 0.184048023),
    ("egeunet", "gabs.0", None, 0.070821514, 0.683336717),
    ("egeunet", "gabs.4", None, -0.004787098, 0.669705508),
    ("malunet", "encoder.3", None, 0.159613211, 0.561849029),
    ("malunet", "bridge", 0, 0.488611810, 0.906717463),
    ("malunet", "bridge", 4, 1.050181734, 1.227321150),
    ("malunet", "decoder.0", None, 0.300864057, 0.522714204),
    ("ultralight_vmunet", "encoder.3", None, -0.029351222, 0.706743166),
    ("ultralight_vmunet", "bridge", 4, 0.869810978, 0.901700908),
    ("ultralight_vmunet", "decoder.0", None, -0.094470637, 0.757968933),
    ("ulite", "conv_in", None, 0.000424643, 0.427124528),
    ("ulite", "encoder.0", 0, 0.032852415, 0.205269849),
    ("ulite", "encoder.0", 1, -0.058599450, 0.512019702),
    ("ulite", "bottleneck", None, 0.000134645, 0.0129529985),
    ("ulite", "decoder.0", None, 0.000823902, 0.0205439644),
    ("ulite", "decoder.4", None, -0.014588920, 0.116914459),
    ("tinyunet", "encoder.0", None, 1.143389722, 1.799770030),
    ("tinyunet", "encoder.3", None, 1.028862694, 1.897397159),
    ("tinyunet", "decoder.0", None, 0.357952073, 0.913346352),
    ("tinyunet", "decoder.3", None, 0.270936454, 0.642658351),
]


@pytest.mark.parametrize(("name", "module", "index", "mean", "deviation"), INSIDE)
@torch.no_grad()
def test_inside_the_light_networks(name, module, index, mean, deviation):
    network, given = filled(name), []
    network.get_submodule(module).register_forward_hook(lambda *seen: given.append(seen[-1]))
    network(picture())
    found = given[0] if index is None else given[0][index]
    assert statistics(found) == pytest.approx([mean, deviation], rel=2e-6, abs=1e-9)


@torch.no_grad()
def test_egeunet_with_its_products_at_one():
    network = filled("egeunet")
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[2] in HADAMARD:
            parameter.fill_(1.0)
    found = statistics(network(picture()), (0, 0))
    assert found == pytest.approx([0.393717541, 0.555929909, -0.255771640], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("segformer_b0", 1.0849672e-01), pytest.param("segformer_b1", 5.6677691e-02, marks=slow)],
)
@torch.no_grad()
def test_segformer_at_a_quarter(name, deviation):
    network, given = filled(name), []
    network.head.register_forward_hook(lambda *seen: given.append(seen[-1]))
    network(picture())
    assert given[0].shape[-2:] == (16, 16)
    assert given[0].std(correction=0).item() == pytest.approx(deviation, rel=1e-6)
