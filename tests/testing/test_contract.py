"""The contract suite must pass what is right and catch what is wrong."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from segkit.api import Architecture, Dataset, Loss
from segkit.testing import assert_passes, check_architecture, check_dataset, check_loss
from segkit.testing.checks import Broken


@dataclass(frozen=True)
class Config:
    in_channels: int = 3
    num_classes: int = 1


class Right(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, image):
        return self.conv(image)


class WrongShape(Right):
    def forward(self, image):
        return super().forward(image)[..., ::2, ::2]


class DeadParameter(Right):
    def __init__(self, config):
        super().__init__(config)
        self.unused = nn.Parameter(torch.zeros(3))


class Undecided(Right):
    def forward(self, image):
        return super().forward(image) + torch.rand(())


class Forgetful(Right):
    """Keeps a random tensor outside of its state."""

    def __init__(self, config):
        super().__init__(config)
        self.secret = torch.rand(())

    def forward(self, image):
        return super().forward(image) * self.secret


class TwoFaced(Right):
    def forward_aux(self, image):
        return self.forward(image) + 1, self.forward(image)


class NeedsTwo(Right):
    def __init__(self, config):
        super().__init__(config)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, image):
        logits = super().forward(image)
        return logits + self.norm(logits.mean((2, 3)))[..., None, None]


class StartsAsItsShortcut(nn.Module):
    """A residual branch that ends in a norm of weight zero."""

    def __init__(self, config):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(3, 3, 1), nn.GroupNorm(1, 3))
        nn.init.zeros_(self.branch[1].weight)
        self.head = nn.Conv2d(3, 1, 1)

    def forward(self, image):
        return self.head(image + self.branch(image))


def broken_checks(outcomes):
    return {outcome.check for outcome in outcomes if not outcome.ok}


def architecture(make, **changes):
    value = Architecture("mine", "An example.", make, Config, params=28)
    return dataclasses.replace(value, **changes)


def test_a_right_network_passes():
    assert_passes(check_architecture(architecture(Right)))


def test_a_branch_that_starts_at_zero_passes():
    assert_passes(check_architecture(architecture(StartsAsItsShortcut, params=None)))


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (WrongShape, "logits have the input's size"),
        (DeadParameter, "every parameter gets a gradient"),
        (Undecided, "two evaluations agree to the bit"),
        (Forgetful, "weights survive a round trip"),
        (TwoFaced, "forward_aux begins with forward"),
        (NeedsTwo, "a batch of one trains"),
    ],
)
def test_a_wrong_network_is_caught(make, check):
    assert check in broken_checks(check_architecture(architecture(make, params=None)))


def test_a_wrong_count_is_caught():
    broken = broken_checks(check_architecture(architecture(Right, params=29)))
    assert broken == {"the parameter count is the stated one"}


def test_a_recipe_with_an_unknown_key_is_caught(tmp_path, monkeypatch):
    package = tmp_path / "recipe_home"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "paper.toml").write_text("[optim]\nlrr = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    wrong = architecture(Right, recipes={"paper": "recipe_home:paper.toml"})
    outcomes = list(check_architecture(wrong))
    assert broken_checks(outcomes) == {"its recipes parse"}
    assert any("optim.lr" in outcome.message for outcome in outcomes)


def test_assert_passes_names_what_is_wrong():
    with pytest.raises(Broken, match="mine: the parameter count"):
        assert_passes(check_architecture(architecture(Right, params=29)))


def nan_on_empty(logits, mask):
    probability = logits.sigmoid()[:, 0]
    return 1 - (probability * mask).sum() / mask.sum()


def upside_down(logits, mask):
    return -nn.functional.binary_cross_entropy_with_logits(logits[:, 0], mask.to(logits.dtype))


@pytest.mark.parametrize(
    ("function", "check"),
    [
        (nan_on_empty, "it is finite on empty masks"),
        (upside_down, "a better prediction has a lower loss"),
        (lambda logits, mask: logits.mean((1, 2, 3)), "it is finite on ordinary masks"),
    ],
)
def test_a_wrong_loss_is_caught(function, check):
    assert check in broken_checks(check_loss(Loss("mine", "", lambda config: function)))


def unsteady(count, size, seed):
    rng = np.random.default_rng()
    for index in range(count):
        image = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        yield str(index), image, np.zeros(size, np.uint8), {}


def test_a_wrong_dataset_is_caught():
    wrong = Dataset("mine", "T", "S", "m", generate=unsteady, licence="CC0", citation="c")
    assert broken_checks(check_dataset(wrong)) == {"its pictures repeat and fit their masks"}
