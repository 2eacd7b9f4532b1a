"""EAM-Net's properties: attention weights, memory masks, sizes, precision, recipe, learning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import segkit
from segkit.build import resolve_recipe
from segkit.engine.training.objective import Objective
from segkit.engine.training.schedule import RateSchedule
from segkit.nn.formulas import force
from segkit.recipe import LossRecipe
from segkit_eamnet.attention import CMAM, EAB, pool_by_matrices
from segkit_eamnet.blocks import MRCF

SMALL = {"widths": (8, 16, 32, 64), "mem_slots": 16}


def small(**config: object) -> nn.Module:
    torch.manual_seed(0)
    return segkit.create("eamnet", **{**SMALL, **config})


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


# --- EAB ---


def test_memory_weights_sum_to_one_over_the_slots() -> None:
    weights = EAB(8, slots=4).memory_weights(picture(2, 8, 6, 5))
    assert weights.shape == (2, 30, 4)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 30))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"keep_ratio": 0.5}, 4),
        ({"keep_ratio": 0.3}, 3),
        ({"keep_ratio": 1.0}, 8),
        ({"select": "k", "slots": 4}, 4),
        ({"select": "k", "slots": 64}, 8),
    ],
)
def test_exactly_so_many_channels_are_kept(settings: dict[str, object], kept: int) -> None:
    read = picture(3, 8, 5, 4) - 0.5
    mask = EAB(8, **settings).strongest(read)  # type: ignore[arg-type]
    assert mask.shape == (3, 8, 1, 1)
    assert mask.sum((1, 2, 3)).tolist() == [kept] * 3
    score = read.abs().mean((2, 3))
    for image in range(3):
        weakest = score[image][mask[image].flatten() == 1].min()
        assert (score[image][mask[image].flatten() == 0] <= weakest).all()


def test_eab_without_its_output_is_relu() -> None:
    block, x = EAB(8).eval(), picture(1, 8, 6, 5) - 0.5
    nn.init.zeros_(block.out.conv.weight)
    assert torch.equal(block(x), F.relu(x))


# --- CMAM ---


def test_attention_weights_sum_to_one_over_the_keys() -> None:
    block, q, k = CMAM(8), picture(2, 30, 4), picture(2, 12, 4)
    torch.testing.assert_close(block.position_weights(q, k).sum(-1), torch.ones(2, 30))
    weights = block.channel_weights(picture(2, 4, 30), picture(2, 4, 30))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4))


@pytest.mark.parametrize("wiring", ["cross", "parallel", "serial"])
def test_cmam_without_its_output_is_relu(wiring: str) -> None:
    block, x = CMAM(8, wiring).eval(), picture(1, 8, 12, 10) - 0.5  # type: ignore[arg-type]
    nn.init.zeros_(block.out.conv.weight)
    assert torch.equal(block(x), F.relu(x))


def test_cross_is_parallel_when_the_streams_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    cross, parallel, x = CMAM(8).eval(), CMAM(8, "parallel").eval(), picture(1, 8, 12, 10)
    parallel.load_state_dict(cross.state_dict())
    with torch.no_grad():
        assert (cross(x) - parallel(x)).abs().max() > 1e-4
        for block in (cross, parallel):
            block.channel_qkv.weight.copy_(block.spatial_qkv.weight)
            monkeypatch.setattr(block.gates, "by_channel", block.gates.by_position)
        torch.testing.assert_close(cross(x), parallel(x))


@pytest.mark.parametrize("size", [(8, 8), (2, 40), (14, 20), (13, 7), (28, 1)])
def test_pooling_for_export_is_adaptive_pooling(size: tuple[int, int]) -> None:
    x = picture(2, 3, *size)
    expected = F.adaptive_avg_pool2d(x, (min(size[0], 8), min(size[1], 8)))
    torch.testing.assert_close(pool_by_matrices(x, 8), expected)


# --- MRCF ---


def test_an_impulse_reaches_193_positions() -> None:
    block = MRCF(8).double().eval()
    for part in block.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1.0)
    x = torch.zeros(1, 8, 33, 33, dtype=torch.float64)
    still = block(x)
    x[:, :, 16, 16] = 1
    moved = (block(x) - still).abs().sum((0, 1)) > 0
    rows, columns = moved.nonzero().t()
    assert int(moved.sum()) == 193
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 24, 8, 24)


def test_the_first_group_reaches_the_fuse_unchanged() -> None:
    block, x = MRCF(8).eval(), picture(1, 8, 9, 9)
    seen: list[Tensor] = []
    block.fuse.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    block(x)
    assert torch.equal(seen[0][:, :2], x[:, :2])


# --- the network ---


@pytest.mark.parametrize("size", [(16, 16), (48, 80), (64, 64), (1, 1000), (513, 511), (1, 1)])
def test_any_size(size: tuple[int, int]) -> None:
    with torch.no_grad():
        outputs = small().eval().forward_aux(picture(1, 3, *size))  # type: ignore[operator]
    height, width = size
    scales = (1, 1, 2, 4, 8, 8)
    expected = [(1, 1, -(-height // s), -(-width // s)) for s in scales]
    assert [tuple(out.shape) for out in outputs] == expected


def test_first_auxiliary_output_is_the_forward() -> None:
    network, image = small().eval(), picture(2, 3, 50, 40)
    with torch.no_grad():
        outputs = network.forward_aux(image)  # type: ignore[operator]
        assert torch.equal(outputs[0], network(image))
    assert len(outputs) == 6


def test_without_deep_supervision_there_is_one_output() -> None:
    network = small(deep_supervision=False)
    assert network.aux_weights == ()
    assert len(network.forward_aux(picture(1, 3, 32, 32))) == 1  # type: ignore[operator]


@pytest.mark.parametrize(
    "config", [{}, {"cmam": "serial"}, {"cmam": "parallel"}, {"select": "k"}, {"num_classes": 3}]
)
def test_both_forms_agree(config: dict[str, object]) -> None:
    network, image = small(**config).double().eval(), picture(2, 3, 64, 48).double()
    with torch.no_grad():
        with force("written"):
            expected = network(image)
        with force("fast"):
            found = network(image)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("config", [{}, {"select": "k"}, {"cmam": "serial"}])
def test_every_parameter_gets_a_finite_gradient(config: dict[str, object], half: bool) -> None:
    network = small(**config).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = network.forward_aux(picture(2, 3, 32, 32))  # type: ignore[operator]
    mask = (picture(2, 32, 32) > 0.5).long()
    loss = Objective(LossRecipe(), network.aux_weights)([o.float() for o in outputs], mask)  # type: ignore[arg-type]
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_batch_of_one_trains_at_the_smallest_size() -> None:
    network = small().train()
    network(picture(1, 3, 32, 32)).sum().backward()
    assert network.encoder[0][0].first.conv.weight.grad.isfinite().all()  # type: ignore[index, union-attr]


# --- the loss and the recipe ---


def test_loss_of_zero_logits() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[:, :2] = 1
    loss = Objective(resolve_recipe("eamnet", "paper").loss, (1.0,))
    assert loss([torch.zeros(1, 1, 4, 4)], mask).item() == pytest.approx(
        0.693147 + 0.470588, abs=1e-6
    )


def test_auxiliary_maps_are_resized_and_weighted() -> None:
    network, recipe = small(), resolve_recipe("eamnet", "paper")
    assert network.aux_weights == (1.0, 0.4, 0.3, 0.2, 0.1, 0.2)
    outputs = network.forward_aux(picture(2, 3, 32, 32))  # type: ignore[operator]
    mask = (picture(2, 32, 32) > 0.5).long()
    total = Objective(recipe.loss, network.aux_weights)(outputs, mask)  # type: ignore[arg-type]
    one = Objective(recipe.loss)
    raised = [F.interpolate(o, size=(32, 32), mode="bilinear") for o in outputs]
    by_hand = sum(w * one([o], mask) for w, o in zip(network.aux_weights, raised, strict=True))  # type: ignore[arg-type]
    torch.testing.assert_close(total, by_hand)


def test_restarts_of_the_recipe() -> None:
    schedule = RateSchedule(resolve_recipe("eamnet", "paper"))
    tops = [epoch for epoch in range(250) if schedule.at(epoch) == pytest.approx(1e-3)]
    assert tops == [0, 10, 30, 70, 150]
    assert all(schedule.at(epoch - 1) < 1e-4 for epoch in tops[1:])
    assert min(schedule.at(epoch) for epoch in range(250)) >= 1e-5


def test_published_settings_of_the_recipe() -> None:
    recipe = resolve_recipe("eamnet", "paper")
    optim = recipe.optim
    assert (optim.name, optim.lr, optim.weight_decay, optim.decay) == ("adam", 1e-3, 1e-8, "all")
    assert (recipe.train.epochs, recipe.train.batch, recipe.data.size) == (250, 10, (224, 320))
    assert (recipe.data.normalise, recipe.data.augment) == ("half", "eamnet")
    assert recipe.data.protocol == "eamnet"
    assert resolve_recipe("eamnet", "ph2").data.protocol == "ph2-cv"
    assert recipe.train.select_on == "val"


# --- learning ---


def ellipses(count: int, side: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """One dark ellipse per picture on a light ground, with noise."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=random)

    y, x = (uniform(0.25, 0.75, 1, 1) * side for _ in range(2))
    a, b = (uniform(0.10, 0.25, 1, 1) * side for _ in range(2))
    rows, columns = torch.arange(side)[:, None], torch.arange(side)
    mask = ((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1
    image = uniform(0.5, 0.8, 3, 1, 1) - uniform(0.1, 0.3, 3, 1, 1) * mask[:, None]
    image = image + 0.08 * torch.randn(image.shape, generator=random)
    return (image - 0.5) / 0.5, mask.long()


@pytest.mark.slow
def test_loss_falls_to_a_third_in_sixty_steps() -> None:
    network = small().train()
    assert sum(p.numel() for p in network.parameters()) == 336_866
    objective = Objective(LossRecipe(), network.aux_weights)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    random, losses = torch.Generator().manual_seed(0), []
    for _ in range(60):
        image, mask = ellipses(4, 64, random)
        loss = objective(network.forward_aux(image), mask)  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < losses[0] / 3
