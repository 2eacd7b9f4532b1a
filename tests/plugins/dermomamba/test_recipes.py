"""DermoMamba's recipes, protocol and cards."""

import tomllib
from importlib import resources

import numpy as np
import pytest

from segkit import build
from segkit.data.splitting.protocols import protocol
from segkit_dermomamba import ARCHITECTURE


def test_the_released_settings():
    recipe = build.resolve_recipe("dermomamba", "paper")
    optim, train = recipe.optim, recipe.train
    assert (optim.name, optim.lr, optim.weight_decay, optim.clip) == ("adam", 1e-4, 0, None)
    assert (recipe.schedule.name, recipe.schedule.factor) == ("plateau", 0.5)
    assert recipe.schedule.patience == 5
    assert (train.epochs, train.batch, train.drop_last) == (200, 4, True)
    assert (train.select, train.select_on) == ("dice_soft", "test")
    assert recipe.loss.config == {"variant": "legacy"}
    assert recipe.model["variant"] == "faithful"
    assert (recipe.data.size, recipe.data.normalise) == ((192, 256), "unit")
    assert (recipe.data.protocol, recipe.data.augment) == ("dermomamba", "dermomamba")


def test_the_recommended_recipe_selects_on_the_training_side():
    recipe = build.resolve_recipe("dermomamba", "recommended")
    assert (recipe.train.select, recipe.train.select_on) == ("dice_image", "val")
    assert recipe.loss.config == {}
    assert recipe.model["variant"] == "general"


def test_the_held_out_pictures_are_the_released_ones():
    """Permutation of 2594 at seed 257; the first 520 are held out."""
    rule = protocol("dermomamba").rules["isic2018"]
    assert (rule.numbers, rule.seed, rule.test_first, rule.total) == ((2074, 520), 257, True, 2594)
    order = np.random.RandomState(rule.seed).permutation(rule.total)
    assert order[:6].tolist() == [168, 220, 1122, 1754, 1538, 528]
    assert (order[519], order[520:524].tolist()) == (2561, [69, 2568, 164, 539])


@pytest.mark.parametrize("name", ARCHITECTURE.cards)
def test_cards_name_what_there_is(name):
    package, _, file = ARCHITECTURE.cards[name].partition(":")
    card = tomllib.loads(resources.files(package).joinpath(file).read_text())
    assert card["card"]["name"] == name
    assert card["card"]["recipe"] in ARCHITECTURE.recipes
    assert card["published"]["scoring"] == "dermomamba"
    assert card["published"]["selection"] == "test"
