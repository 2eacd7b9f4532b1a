"""DermoMamba's parameters, shapes, sizes and checkpoint layout."""

import pytest
import torch

from segkit import build
from segkit.errors import UsageError
from segkit.nn import SS2D
from segkit_dermomamba import ARCHITECTURE, DermoMambaConfig
from segkit_dermomamba.model import WIDTHS, DermoMamba
from segkit_dermomamba.weights import LAYOUT

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def ss2d(d):
    return 6 * d * d + 424 * d + 16 * d * -(-d // 16)


@pytest.fixture(scope="module")
def network():
    return DermoMamba()


@pytest.fixture
def meta():
    """A network that computes shapes only."""
    with torch.device("meta"):
        return DermoMamba().eval()


def test_parameters_in_total(network):
    assert parameters(network) == 4_953_425 == ARCHITECTURE.params
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 4_953_425
    buffers = list(network.buffers())
    assert (len(buffers), sum(b.numel() for b in buffers)) == (63, 5023)


def test_parameters_of_every_block(network):
    assert parameters(network.stem) == 64
    assert [parameters(stage) for stage in network.encoder] == [
        9_265, 32_545, 121_153, 467_073, 1_833_217,
    ]  # fmt: skip
    assert [parameters(gate) for gate in network.gates] == [262, 680, 2_284, 8_564, 33_412]
    assert parameters(network.bottleneck.attention) == 41_984
    assert parameters(network.bottleneck.sweep) == 130_729
    assert [parameters(stage) for stage in network.decoder] == [
        1_705_216, 426_624, 106_816, 26_784, 6_736,
    ]  # fmt: skip
    assert parameters(network.head) == 17


@pytest.mark.parametrize(
    ("d", "count"),
    [(2, 904), (4, 1_856), (6, 2_856), (7, 3_374), (8, 3_904), (12, 6_144), (16, 8_576),
     (32, 20_736), (64, 55_808)],
)  # fmt: skip
def test_parameters_of_ss2d(d, count):
    assert parameters(SS2D(d)) == count == ss2d(d)


@pytest.mark.parametrize(
    ("grid", "count"),
    [((2, 2), 4_948_473), ((7, 7), 4_953_413), ((8, 8), 4_954_473), ((12, 16), 4_961_385),
     ((16, 16), 4_963_817)],
)  # fmt: skip
def test_parameters_on_other_grids(grid, count):
    network = build.create("dermomamba", grid=list(grid))
    assert parameters(network) == count == 4_946_665 + ss2d(grid[0]) + ss2d(grid[1])


def test_shapes_of_every_block(meta):
    shapes = {}

    def record(name):
        def hook(module, inputs, output):
            shapes[name] = output

        return hook

    for name in ("stem", "bottleneck.attention", "bottleneck.sweep", "head"):
        meta.get_submodule(name).register_forward_hook(record(name))
    for index in range(5):
        for group in ("encoder", "gates", "decoder"):
            name = f"{group}.{index}"
            meta.get_submodule(name).register_forward_hook(record(name))
    logits = meta(torch.zeros(1, 3, 192, 256, device="meta"))
    assert logits.shape == (1, 1, 192, 256)
    assert shapes["stem"].shape == (1, 16, 192, 256)
    for index, width in enumerate(WIDTHS):
        height, across = 192 >> index, 256 >> index
        pooled, skip = shapes[f"encoder.{index}"]
        assert skip.shape == shapes[f"gates.{index}"].shape == (1, 2 * width, height, across)
        assert pooled.shape == (1, 2 * width, height // 2, across // 2)
        assert shapes[f"decoder.{4 - index}"].shape == (1, width, height, across)
    for name in ("bottleneck.attention", "bottleneck.sweep"):
        assert shapes[name].shape == (1, 512, 6, 8)


@pytest.mark.parametrize(
    "size", [(1, 1), (33, 31), (64, 64), (200, 300), (224, 224), (256, 256), (384, 512)]
)
def test_general_takes_any_size(meta, size):
    assert meta(torch.zeros(2, 3, *size, device="meta")).shape == (2, 1, *size)


@pytest.mark.parametrize(
    "size", [(256, 192), (192, 192), (224, 224), (256, 256), (192, 288), (384, 512), (208, 272)]
)
def test_faithful_takes_its_own_size_only(size):
    with torch.device("meta"):
        network = DermoMamba(DermoMambaConfig(variant="faithful")).eval()
    assert network(torch.zeros(3, 3, 192, 256, device="meta")).shape == (3, 1, 192, 256)
    with pytest.raises(UsageError, match="takes 192x256 only"):
        network(torch.zeros(1, 3, *size, device="meta"))


def test_the_only_size_is_declared():
    assert ARCHITECTURE.fixed_size(DermoMambaConfig(variant="faithful")) == (192, 256)
    assert ARCHITECTURE.fixed_size(DermoMambaConfig()) is None


def test_faithful_and_a_grid_contradict_each_other():
    with pytest.raises(UsageError, match="grid 6x8"):
        build.model_config("dermomamba", {"variant": "faithful", "grid": [2, 2]})


def test_one_small_picture_cannot_train():
    network = DermoMamba()
    with pytest.raises(UsageError, match="batch statistics"):
        network.train()(torch.zeros(1, 3, 20, 32))
    network.train()(torch.rand(2, 3, 20, 32)).mean().backward()


def test_classes_and_channels_follow_the_config():
    with torch.device("meta"):
        network = build.create("dermomamba", in_channels=1, num_classes=4)
    assert network(torch.zeros(2, 1, 64, 64, device="meta")).shape == (2, 4, 64, 64)


def test_scan_and_scale_start_as_published(network):
    assert torch.equal(network.encoder[2].residual.scale, torch.ones(1))
    assert torch.equal(network.bottleneck.sweep.scale, torch.ones(1))
    spatial = network.gates[0].spatial.norm
    assert spatial.momentum == 0.01
    assert network.encoder[0].residual.cross_scale.vss.ln_1.eps == 1e-6


def expected_layout():
    """Every original entry with its shape, as the released network has them."""
    entries = {}

    def pair(name, *shape):
        entries[f"{name}.weight"], entries[f"{name}.bias"] = shape, shape[:1]

    def norm(name, n):
        entries.update({f"{name}.{part}": (n,) for part in BATCH_NORM[:4]})
        entries[f"{name}.num_batches_tracked"] = ()

    def scan(name, d):
        inner, rank = 2 * d, -(-d // 16)
        entries[f"{name}.in_proj.weight"] = (4 * d, d)
        pair(f"{name}.conv2d", inner, 1, 3, 3)
        entries[f"{name}.x_proj_weight"] = (4, rank + 32, inner)
        entries[f"{name}.dt_projs_weight"] = (4, inner, rank)
        entries[f"{name}.dt_projs_bias"] = (4, inner)
        entries[f"{name}.A_logs"] = (4 * inner, 16)
        entries[f"{name}.Ds"] = (4 * inner,)
        pair(f"{name}.out_norm", inner)
        entries[f"{name}.out_proj.weight"] = (d, inner)

    pair("pw_in", 16, 3, 1, 1)
    pair("conv_out", 1, 16, 1, 1)
    for i, c in enumerate((16, 32, 64, 128, 256), 1):
        d, stage = c // 4, f"e{i}.resmamba"
        for k in (1, 2, 3):
            pair(f"{stage}.block.dw{k}.mixer_h", d, 1, 7, 1)
            pair(f"{stage}.block.dw{k}.mixer_w", d, 1, 1, 7)
            pair(f"{stage}.block.dw{k}.conv", d, 1, 3, 3)
        pair(f"{stage}.block.vss.ln_1", d)
        scan(f"{stage}.block.vss.self_attention", d)
        norm(f"{stage}.block.bn", c)
        pair(f"{stage}.conv", c, c, 3, 3)
        pair(f"{stage}.ins_norm", c)
        entries[f"{stage}.scale"] = (1,)
        pair(f"e{i}.pw", 2 * c, c, 3, 3)
        norm(f"e{i}.bn", 2 * c)
        pair(f"s{i}.ChannelGate.mlp.1", 2 * c // 16, 2 * c)
        pair(f"s{i}.ChannelGate.mlp.3", 2 * c, 2 * c // 16)
        entries[f"s{i}.SpatialGate.spatial.conv.weight"] = (1, 2, 7, 7)
        norm(f"s{i}.SpatialGate.spatial.bn", 1)
        pair(f"d{i}.pw", 2 * c, 4 * c, 1, 1)
        pair(f"d{i}.pw2", c, 2 * c, 3, 3)
        norm(f"d{i}.bn", c)
    pair("b2.dw", 512, 1, 9, 9)
    pair("b1.ln", 512)
    pair("b1.proj_in", 64, 512)
    pair("b1.proj_out", 512, 64)
    for number, d in ((1, 64), (2, 6), (3, 8)):
        scan(f"b1.mamba{number}", d)
    entries["b1.scale"] = (1,)
    norm("b1.bn", 512)
    return entries


def test_the_original_layout_entry_by_entry(network):
    state = LAYOUT.to_original(network.state_dict())
    expected = expected_layout()
    assert len(expected) == 386
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_original_checkpoint_loads_strictly(network, fill_state, prefix):
    original = fill_state(network)
    checkpoint = {prefix + name: value for name, value in original.items()}
    checkpoint[f"{prefix}e1.pw.total_ops"] = torch.zeros(1)  # a FLOP counter's left-over
    fresh = DermoMamba().double()
    fresh.load_state_dict(LAYOUT.to_segkit(checkpoint), strict=True)
    returned = LAYOUT.to_original(fresh.state_dict())
    assert returned.keys() == original.keys()
    assert all(torch.equal(returned[name], original[name]) for name in original)


def test_missing_and_extra_entries_are_reported(network, fill_state):
    state = fill_state(network)
    del state["e3.pw.bias"]
    state["e9.pw.bias"] = torch.zeros(1)
    with pytest.raises(RuntimeError) as error:
        network.load_state_dict(LAYOUT.to_segkit(state), strict=True)
    assert "encoder.2.conv.bias" in str(error.value)
    assert "e9.pw.bias" in str(error.value)


def test_weights_of_another_grid_are_refused(network):
    other = build.create("dermomamba", grid=[2, 2])
    with pytest.raises(UsageError, match="grid 2x2") as error:
        network.load_state_dict(other.state_dict())
    assert "model.grid=[2,2]" in str(error.value)
