"""Parameter groups, freezing, averaged weights."""

import pytest
import torch
from torch import nn

from segkit.engine.training.optim import Average, Freezer, make_optimizer, parameter_groups
from segkit.recipe import OptimRecipe, TrainRecipe


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 1, 1)
        self.A_log = nn.Parameter(torch.ones(4, 2))


def names(network, parameters):
    wanted = {id(p) for p in parameters}
    return {name for name, p in network.named_parameters() if id(p) in wanted}


def test_decay_all_is_one_group():
    groups = parameter_groups(Network(), OptimRecipe(decay="all", weight_decay=3e-5), ("A_log",))
    assert len(groups) == 1
    assert groups[0]["weight_decay"] == 3e-5
    assert len(groups[0]["params"]) == 7


def test_decay_weights_spares_norms_biases_and_named_ones():
    network = Network()
    decayed, spared = parameter_groups(network, OptimRecipe(decay="weights"), ("A_log",))
    assert names(network, decayed["params"]) == {"encoder.0.weight", "head.weight"}
    assert "A_log" in names(network, spared["params"])
    assert spared["weight_decay"] == 0


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_optimizers_step_like_torchs_plain_ones(name):
    torch.manual_seed(0)
    recipe = OptimRecipe(name=name, lr=0.1, weight_decay=0.01, decay="all", nesterov=True)
    ours, theirs = Network(), Network()
    theirs.load_state_dict(ours.state_dict())
    plain = {
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.01, foreach=False),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.01, foreach=False),
        "sgd": lambda p: torch.optim.SGD(
            p, lr=0.1, weight_decay=0.01, momentum=0.9, nesterov=True, foreach=False
        ),
    }[name](theirs.parameters())
    for network, optimizer in ((ours, make_optimizer(ours, recipe)), (theirs, plain)):
        for _ in range(3):
            optimizer.zero_grad()
            sum((p**2).sum() for p in network.parameters()).backward()
            optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def freezer(mode="grad_only"):
    network = Network()
    return network, Freezer(
        network, TrainRecipe(freeze="encoder", freeze_epochs=2, freeze_mode=mode)
    )


@pytest.mark.parametrize("mode", ["grad_only", "full"])
def test_a_part_rests_and_wakes(mode):
    network, rest = freezer(mode)
    for epoch, rests in [(0, True), (1, True), (2, False)]:
        network.train()
        rest.apply(epoch)
        assert network.encoder[0].weight.requires_grad is not rests
        assert network.head.weight.requires_grad
        assert network.encoder[1].training is not (rests and mode == "full")
        assert network.head.training


def test_a_prefix_is_a_module_not_a_beginning_of_letters():
    network = Network()
    network.encoder2 = nn.Conv2d(1, 1, 1)
    rest = Freezer(network, TrainRecipe(freeze="encoder", freeze_epochs=1))
    rest.apply(0)
    assert network.encoder2.weight.requires_grad


def test_average_by_hand():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    average = Average(network, 0.9)
    average.updates = 1000  # past the start
    network.weight.data.fill_(2.0)
    average.update(network)
    assert average.values["weight"].item() == pytest.approx(1.1)
    average.swap(network)
    assert network.weight.item() == pytest.approx(1.1)
    average.swap(network)
    assert network.weight.item() == 2.0
    assert average.values["weight"].item() == pytest.approx(1.1)


def test_average_starts_short():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = Average(network, 0.999)
    network.weight.data.fill_(1.0)
    average.update(network)
    assert average.values["weight"].item() == pytest.approx(9 / 11)
    average.update(network)
    assert average.values["weight"].item() == pytest.approx(1 - 2 / 11 * 3 / 12)


def test_average_takes_statistics_along():
    network = nn.BatchNorm2d(2)
    average = Average(network, 0.99)
    average.updates = 10_000
    network(torch.randn(4, 2, 3, 3))
    average.update(network)
    assert torch.allclose(average.values["running_mean"], 0.01 * network.running_mean)
    assert average.values["num_batches_tracked"] == 1


def test_average_goes_on_from_a_checkpoint_of_either_form():
    network = nn.Linear(1, 1)
    average, other = Average(network, 0.9), Average(network, 0.9)
    average.update(network)
    other.resume(average.state())
    assert other.updates == 1
    other.resume(average.values)  # version 0.1 kept the values alone
    assert other.updates > 10**6
    assert other.values is average.values
