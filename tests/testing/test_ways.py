"""The contract suites of the small plugins: ours pass, planted faults are found."""

import dataclasses

import numpy as np
import pytest
import torch

from segkit import plugins, testing
from segkit.api import Metric, ReportColumn, SplitRule
from segkit.data.splitting import protocols
from segkit.engine.training import ways

SUITES = {
    "metrics": testing.check_metric,
    "optimizers": testing.check_optimizer,
    "schedules": testing.check_schedule,
    "augmentations": testing.check_augmentation,
    "protocols": testing.check_protocol,
}


def broken(outcomes) -> set[str]:
    return {outcome.check for outcome in outcomes if not outcome.ok}


@pytest.mark.parametrize(("group", "name"), [(g, n) for g in SUITES for n in plugins.names(g)])
def test_ours_pass(group, name):
    testing.assert_passes(SUITES[group](name))


def test_a_metric_that_prefers_the_wrong_and_writes_into_masks_is_found():
    def make():
        def score(p, t):
            p[0, 0] = True
            return float((p ^ t).sum())

        return score

    found = broken(testing.check_metric(Metric("bad", "Bad", "wrong way round", make, unit="mile")))
    assert found == {
        "its unit is known",
        "a better prediction scores better",
        "it changes no mask",
    }


def test_an_optimizer_that_climbs_or_forgets_is_found():
    def climbing(groups, settings):
        return torch.optim.SGD(groups, lr=settings.lr, maximize=True)

    def forgetful(groups, settings):
        made = torch.optim.SGD(groups, lr=settings.lr, momentum=0.9)
        made.load_state_dict = lambda state: None
        return made

    bad = dataclasses.replace(ways.SGD, make=climbing)
    assert "it lowers a simple loss" in broken(testing.check_optimizer(bad))
    bad = dataclasses.replace(ways.SGD, make=forgetful)
    assert broken(testing.check_optimizer(bad)) == {"it resumes from its state to the bit"}


def test_a_schedule_with_a_memory_is_found():
    seen = []

    def rate(settings, lr, epochs, epoch):
        seen.append(epoch)
        return lr / len(seen)

    found = broken(testing.check_schedule(dataclasses.replace(ways.STEP, rate=rate)))
    assert found == {"an epoch has one rate, whatever came before"}


def test_a_policy_that_draws_at_random_is_found():
    from segkit.data.augmenting.operations import Brightness
    from segkit.data.augmenting.policy import Policy

    class Restless(Brightness):
        def draw(self, plan, rng):
            super().draw(plan, np.random.default_rng())

    value = plugins.get("augmentations", "none")
    bad = dataclasses.replace(value, make=lambda: Policy("none", (Restless(p=1.0),)))
    assert broken(testing.check_augmentation(bad)) == {"a sample repeats to the bit"}


def test_a_protocol_without_a_rule_and_a_column_of_words_are_found():
    empty = dataclasses.replace(protocols.PROTOCOLS["mscanet"], rules={})
    assert broken(testing.check_protocol(empty)) == {"it has a rule"}
    one = dataclasses.replace(empty, default=SplitRule("slices", folds=1))
    assert broken(testing.check_protocol(one)) == {"its rules can be carried out"}
    column = ReportColumn("words", "Words", "no number", lambda facts: "many")
    assert broken(testing.check_column(column)) == {"it is a number or nothing"}
