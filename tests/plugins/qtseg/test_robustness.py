"""QTSeg under half precision, at awkward sizes, with its stored positions and its loss."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch import Tensor, nn

import segkit
from segkit.errors import UsageError
from segkit.nn.formulas import force
from segkit.recipe import Recipe
from segkit_qtseg import CeDiceConfig
from segkit_qtseg.attention import ChannelAttention, Position
from segkit_qtseg.blocks import DMABlock
from segkit_qtseg.loss import CeDice, dice_loss

SMALL = {"width": 8, "heads": 4, "token_mlp_dim": 32}


def small(**config: object) -> nn.Module:
    torch.manual_seed(0)
    network = segkit.create("qtseg", **{**SMALL, **config})
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    return network


# --- half precision ---


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rms", [4.0, 8.0])
def test_autocast_is_finite_at_large_amplitudes(rms: float, dtype: torch.dtype, form: str) -> None:
    torch.manual_seed(0)
    block = DMABlock(64, 8, 128)
    nn.init.ones_(block.cab.gamma)  # type: ignore[arg-type]
    features = torch.randn(1, 64, 64, 64) * rms  # 4096 positions, level 0 at 512 pixels
    tokens, position = torch.randn(1, 2, 64), Position(64)((64, 64))
    with force(form), torch.autocast("cpu", dtype):  # type: ignore[arg-type]
        outputs = block(tokens, features.to(dtype), position)
    assert all(out.isfinite().all() for out in outputs)


def test_channel_affinity_would_overflow_half_precision() -> None:
    tokens = torch.randn(1, 4096, 8, generator=torch.Generator().manual_seed(0)) * 8
    assert (tokens.transpose(1, 2) @ tokens).max() > torch.finfo(torch.float16).max
    with torch.autocast("cpu", torch.float16):
        weights = ChannelAttention().weights(tokens.half())
    assert weights.dtype == torch.float32
    assert weights.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_of_the_network_is_near_float32(dtype: torch.dtype) -> None:
    network, image = small().eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = network(image)
        with torch.autocast("cpu", dtype):
            found = network(image)
    assert found.isfinite().all()
    assert (found.float() - expected).abs().max() < 0.1 * expected.abs().max()


def test_positions_stay_in_float32_in_a_half_network() -> None:
    assert Position(8).half()((4, 4)).dtype == torch.float32


# --- sizes ---


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize("size", [(48, 80), (1, 1000), (513, 511), (1, 1), (32, 32)])
def test_any_size(size: tuple[int, int], form: str) -> None:
    network = small().eval()
    with force(form), torch.no_grad():  # type: ignore[arg-type]
        assert network(torch.rand(1, 3, *size)).shape == (1, 2, *size)


def test_padding_repeats_the_border() -> None:
    network, image = small().eval(), torch.rand(1, 3, 48, 80)
    padded = torch.nn.functional.pad(image, (0, 16, 0, 16), mode="replicate")
    with torch.no_grad():
        assert torch.equal(network(image), network(padded)[..., :48, :80])


@pytest.mark.parametrize("decoder", ["dma", "twoway"])
def test_a_batch_of_one_trains(decoder: str) -> None:
    network = small(decoder=decoder).train()
    loss = CeDice(CeDiceConfig())(network(torch.rand(1, 3, 64, 64)), torch.ones(1, 64, 64).long())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("classes", [1, 2, 3, 12])  # 12 classes: more queries than it pays to fold
@pytest.mark.parametrize("config", [{}, {"cab": "paper"}, {"sam_kernel": 3}, {"decoder": "twoway"}])
def test_both_forms_agree(config: dict[str, object], classes: int) -> None:
    network = small(num_classes=classes, **config).double().eval()
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        with force("written"):
            expected = network(image)
        with force("fast"):
            found = network(image)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_attention_maps_are_the_gates_of_the_levels() -> None:
    network, image = small().eval(), torch.rand(2, 3, 50, 40)
    with torch.inference_mode():
        before = network(image)
        maps = network.attention(image)  # type: ignore[operator]
        assert torch.equal(network(image), before)
    shapes = {name: tuple(gate.shape) for name, gate in maps.items()}
    assert shapes == {"SAM /8": (2, 1, 7, 5), "SAM /16": (2, 1, 4, 3), "SAM /32": (2, 1, 2, 2)}
    assert all(0 <= gate.min() <= gate.max() <= 1 for gate in maps.values())
    assert small(decoder="twoway").attention(image) == {}  # type: ignore[operator]


# --- stored positions ---


def test_positions_are_stored_and_follow_the_buffer() -> None:
    position = Position(8)
    first = position((4, 6))
    assert position((4, 6)) is first
    with torch.no_grad():
        position.frequencies.mul_(2)
    assert not torch.equal(position((4, 6)), first)
    position.load_state_dict({"frequencies": torch.ones(2, 4)})
    assert torch.equal(position((4, 6)), position.compute((4, 6)))


def test_positions_of_inference_serve_training() -> None:
    network = small().train()
    with torch.inference_mode():
        network.eval()(torch.rand(1, 3, 64, 64))
    network.train()(torch.rand(2, 3, 64, 64)).sum().backward()
    assert network.encoder.conv_0.conv.weight.grad is not None  # type: ignore[union-attr]


def test_a_used_network_can_be_copied_and_pickled() -> None:
    network, image = small().eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = network(image)
        assert torch.equal(copy.deepcopy(network)(image), expected)
        assert torch.equal(pickle.loads(pickle.dumps(network))(image), expected)
    assert all("_kept" not in name for name in network.state_dict())


def test_stored_positions_stay_few() -> None:
    position = Position(8)
    for side in range(1, 20):
        position((side, side))
    assert len(position._kept) <= 4


# --- the loss ---


def test_loss_of_zero_logits() -> None:
    mask = torch.zeros(2, 4, 4, dtype=torch.long)
    mask[:, :2] = 1
    logits = torch.zeros(2, 2, 4, 4)
    assert CeDice(CeDiceConfig(dice=0))(logits, mask).item() == pytest.approx(math.log(2))
    assert dice_loss(logits, mask).item() == pytest.approx(0.5)


def test_empty_mask_has_finite_gradients() -> None:
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    CeDice(CeDiceConfig())(logits, torch.zeros(1, 4, 4, dtype=torch.long)).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_categorical_dice_is_between_zero_and_k() -> None:
    mask = torch.arange(3).repeat(1, 3, 1)
    right = torch.nn.functional.one_hot(mask, 3).movedim(-1, 1) * 1e3
    assert dice_loss(right.float(), mask).item() == pytest.approx(0, abs=1e-5)
    wrong = right.roll(1, dims=1).float()
    assert dice_loss(wrong, mask).item() == pytest.approx(3, abs=1e-5)


def test_one_logit_is_refused() -> None:
    logits: Tensor = torch.zeros(1, 1, 4, 4)
    with pytest.raises(UsageError, match="at least two classes"):
        CeDice(CeDiceConfig())(logits, torch.zeros(1, 4, 4, dtype=torch.long))


# --- recipes ---


def resolved(recipe: str) -> Recipe:
    from segkit.build import resolve_recipe

    return resolve_recipe("qtseg", recipe)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (1, 1e-3),
        (50, 1e-3),
        (51, 5e-4),
        (101, 2.5e-4),
        (151, 1.25e-4),
        (201, 6.25e-5),
        (251, 3.125e-5),
        (301, 1.5625e-5),
        (350, 1.5625e-5),
    ],
)
def test_step_trace(epoch: int, rate: float) -> None:
    from segkit.engine.training.schedule import RateSchedule

    assert RateSchedule(resolved("paper")).at(epoch - 1) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (1, 0.01),
        (2, 0.01),
        (3, 0.00997428),
        (100, 0.00744045),
        (200, 0.00472061),
        (350, 9.5778e-5),
    ],
)
def test_poly_trace(epoch: int, rate: float) -> None:
    from segkit.engine.training.schedule import RateSchedule

    found = RateSchedule(resolved("fives")).at(epoch - 1)
    assert found == pytest.approx(0.01 * (1 - max(epoch - 2, 0) / 350) ** 0.9, rel=1e-12)
    assert found == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize("mode", ["grad_only", "full"])
def test_encoder_rests_for_49_epochs(mode: str) -> None:
    import dataclasses

    from segkit.engine.training.optim import Freezer

    recipe = resolved("paper").train
    network = small()
    freezer = Freezer(network, dataclasses.replace(recipe, freeze_mode=mode))  # type: ignore[arg-type]
    assert [freezer.rests(epoch - 1) for epoch in (1, 49, 50, 350)] == [True, True, False, False]
    freezer.apply(0)
    resting = {
        name.partition(".")[0] for name, p in network.named_parameters() if not p.requires_grad
    }
    assert resting == {"encoder"}
    bn = network.encoder.conv_0.bn  # type: ignore[union-attr]
    before = bn.running_mean.clone()  # type: ignore[union-attr, operator]
    network.train()
    freezer.apply(0)
    network(torch.rand(2, 3, 64, 64))
    assert torch.equal(bn.running_mean, before) == (mode == "full")  # type: ignore[union-attr, arg-type]


def test_published_settings_of_the_recipes() -> None:
    paper, fives, isic = resolved("paper"), resolved("fives"), resolved("isic")
    optim = paper.optim
    assert (optim.name, optim.lr, optim.weight_decay, optim.decay) == ("adamw", 1e-3, 3e-5, "all")
    assert (optim.betas, optim.eps, optim.clip) == ((0.9, 0.999), 1e-8, None)
    assert (paper.train.epochs, paper.train.batch, paper.data.size) == (350, 32, (512, 512))
    assert (fives.optim.name, fives.optim.momentum, fives.optim.nesterov) == ("sgd", 0.99, True)
    assert (fives.train.epochs, fives.train.batch, fives.data.size) == (350, 4, (1024, 1024))
    assert (isic.data.colour, paper.data.colour) == ("ycrcb", "rgb")
    for recipe in (paper, fives, isic):
        data = recipe.data
        assert (data.resize, data.normalise) == ("letterbox", "minmax_signed")
        assert (data.augment, data.protocol) == ("qtseg", "qtseg")
        assert recipe.train.select_on == "test"
    assert resolved("recommended").train.select_on == "val"
    assert resolved("faithful") == paper
