"""VMPANet's recipes, protocol and cards."""

import tomllib
from importlib import resources

import pytest

from segkit import build
from segkit.data.splitting.protocols import protocol
from segkit.engine.training import schedule
from segkit_vmpanet import ARCHITECTURE

RATES = {
    0: 1.0000e-3,
    1: 9.9902e-4,
    10: 9.0546e-4,
    25: 5.0500e-4,
    50: 1.0000e-5,
    75: 5.0500e-4,
    100: 1.0000e-3,
    150: 1.0000e-5,
    199: 9.9902e-4,
}


@pytest.fixture(scope="module")
def paper():
    return build.resolve_recipe("vmpanet", "paper")


def test_the_published_settings(paper):
    optim, train = paper.optim, paper.train
    assert (optim.name, optim.lr, optim.weight_decay, optim.decay) == ("adamw", 1e-3, 1e-2, "all")
    assert (optim.betas, optim.eps, optim.clip, optim.ema) == ((0.9, 0.999), 1e-8, None, None)
    assert (train.epochs, train.batch, train.amp, train.seed) == (200, 8, "off", 0)
    assert (train.select, train.select_on) == ("iou_pooled", "val")
    assert (paper.data.size, paper.data.normalise) == ((256, 256), "minmax")
    assert (paper.data.protocol, paper.data.augment) == ("vmpanet", "vmpanet")
    assert paper.evaluate.threshold == 0.5


def test_the_published_rates(paper):
    for epoch, rate in RATES.items():
        got = schedule.rate(paper.schedule, paper.optim.lr, paper.train.epochs, epoch)
        assert got == pytest.approx(rate, rel=1e-4), epoch


def test_the_deep_supervision_study_differs_in_the_weights_only(paper):
    for name in ("shallow", "deep"):
        study = build.resolve_recipe("vmpanet", name)
        assert study.model["ds_weights"] == name
        assert {**study.model, "ds_weights": "equal"} == paper.model
        assert (study.data, study.optim, study.schedule) == (
            paper.data,
            paper.optim,
            paper.schedule,
        )
        assert (study.loss, study.train) == (paper.loss, paper.train)


def test_the_optimistic_recipe_says_so():
    recipe = build.resolve_recipe("vmpanet", "optimistic")
    assert recipe.train.select_on == "test"
    assert protocol(recipe.data.protocol).selection == "test"


@pytest.mark.parametrize(
    ("dataset", "counts", "total"),
    [("isic2017", (1500, 650), 2150), ("isic2018", (1886, 808), 2694)],
)
def test_the_split_is_by_count(dataset, counts, total):
    for name in ("vmpanet", "malunet"):
        rule = protocol(name).rules[dataset]
        assert (rule.numbers, rule.total, sum(rule.numbers)) == (counts, total, total)
    assert protocol("vmpanet").rules[dataset].val == 0.2


def test_ph2_is_tested_whole():
    assert protocol("vmpanet").rules["ph2"].kind == "all-test"


@pytest.mark.parametrize("name", ARCHITECTURE.cards)
def test_cards_name_what_there_is(name):
    package, _, file = ARCHITECTURE.cards[name].partition(":")
    card = tomllib.loads(resources.files(package).joinpath(file).read_text())
    assert card["card"]["name"] == name
    assert card["card"]["recipe"] in ARCHITECTURE.recipes
    assert card["card"]["notes"]
    assert card["published"]["aggregation"] == "pooled"
