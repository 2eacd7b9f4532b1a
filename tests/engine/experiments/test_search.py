"""Searches: what may be asked, that the test part stays unseen, that killed trials go on."""

import json

import pytest
from short_runs import recipe

from segkit import paths
from segkit.engine.experiments import search, trials
from segkit.engine.experiments.search import Axis
from segkit.engine.launching import plan as plans
from segkit.engine.launching import tasks
from segkit.engine.training.crossval import TrainingOptions
from segkit.errors import MissingExtra, SegkitError, UsageError
from segkit.events import EpochDone
from segkit.recipe import to_dict

AXES = ["optim.lr=log:1e-3..3e-2", "model.width=4,6"]
CPU = TrainingOptions(device="cpu")


def small(**over):
    return recipe(data={"folds": None, "split": "7:3"}, train={"epochs": 2, **over})


@pytest.fixture
def begun(home, tmp_path):
    pytest.importorskip("optuna")
    out = tmp_path / "s"
    search.begin(search.axes_of(AXES), small(), 3, out, resume=False)
    return out


def test_ranges_and_choices():
    found = search.axes_of([*AXES, "model.levels=2..4", "optim.clip=0.5..2.0"])
    assert found == [
        Axis("optim.lr", 1e-3, 3e-2, True),
        Axis("model.width", choices=(4, 6)),
        Axis("model.levels", 2, 4),
        Axis("optim.clip", 0.5, 2.0),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optim.lr=1..0", "lower end first"),
        ("optim.lr=log:0..1", "positive lower end"),
        ("model.k=[3,3],[3,5]", "numbers and words"),
        ("optim.lr", "not understood"),
    ],
)
def test_an_axis_that_is_none(text, words):
    with pytest.raises(UsageError, match=words):
        search.axes_of([text])
    with pytest.raises(UsageError, match="given twice"):
        search.axes_of(["a.b=1..2", "a.b=3,4"])


def test_every_end_is_checked_before_the_first_trial(home):
    with pytest.raises(UsageError, match="epochs is 0"):
        search.corners(search.axes_of(["train.epochs=0..3", "optim.lr=0.1,0.2"]), small())
    with pytest.raises(UsageError, match=r"model\.witdh"):
        search.corners(search.axes_of(["model.witdh=4,6"]), small())


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"segkit\[search\]"):
        search.require()


def test_the_part_that_is_reported_may_not_choose(home):
    with pytest.raises(UsageError, match="never looks at the test part"):
        trials.refuse_test(small(select_on="test"), CPU, lambda text: None)
    trials.refuse_test(small(), CPU, lambda text: None)


def test_a_search_counts_its_trials_and_never_scores(begun, monkeypatch):
    def looked(*_, **__):
        raise AssertionError("somebody looked at the test part")

    monkeypatch.setattr("segkit.engine.evaluating.evaluate.evaluate_run", looked)
    events = list(trials.run_search(begun, CPU))
    rows = events[-1].rows
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert list(begun.rglob("summary.json")) == list(begun.rglob("cases.csv")) == []
    document = json.loads((begun / "results.json").read_text())
    assert document["counts"] == {"complete": 3, "pruned": 0, "failed": 0}
    best = max(rows, key=lambda row: row["value"])
    settled = json.loads((begun / "best.json").read_text())
    assert settled["train"]["trials"] == 3
    assert settled["optim"]["lr"] == best["params"]["optim.lr"]
    assert settled["model"]["width"] == best["params"]["model.width"]
    page = (begun / "results.md").read_text()
    assert "3 complete, 0 pruned, 0 failed" in page
    assert f"best is trial {best['trial']}" in page
    before = (begun / "results.json").read_bytes()
    assert not [e for e in trials.run_search(begun, CPU) if isinstance(e, EpochDone)]
    assert (begun / "results.json").read_bytes() == before


def test_a_killed_trial_goes_on_with_its_own_settings(begun):
    events = trials.run_trial(begun, 0, CPU)
    while not isinstance(next(events), EpochDone):
        pass
    events.close()  # the process dies here
    before = search.facts_of(begun, 0)
    assert before["state"] == "running"
    (begun / "trial-000" / "trial.json").unlink()  # and had not even written this
    list(trials.run_trial(begun, 0, CPU))
    after = search.facts_of(begun, 0)
    assert after["params"] == before["params"]
    assert (after["optuna"], after["state"]) == (0, "complete")
    assert len(search.study_of(begun).trials) == 1


def test_a_trial_below_the_median_is_pruned(begun, monkeypatch):
    import optuna

    monkeypatch.setattr(optuna.Trial, "should_prune", lambda self: True)
    list(trials.run_trial(begun, 0, CPU))
    assert search.facts_of(begun, 0)["state"] == "pruned"
    assert not (begun / "trial-000" / "fold0" / "fold.json").exists()
    assert search.study_of(begun).trials[0].state.name == "PRUNED"


def test_a_trial_that_fails_is_counted_and_the_others_go_on(begun, monkeypatch):
    whole = trials._train

    def train(made, folder, trial, options):
        if folder.name == "trial-001":
            raise SegkitError("the loss is not finite")
        return whole(made, folder, trial, options)

    monkeypatch.setattr(trials, "_train", train)
    rows = list(trials.run_search(begun, CPU))[-1].rows
    assert [row["state"] for row in rows] == ["complete", "failed", "complete"]
    assert rows[1]["reason"] == "the loss is not finite"


def test_another_search_in_the_same_folder_is_refused_and_more_trials_are_not(begun):
    axes = search.axes_of(AXES)
    with pytest.raises(UsageError, match="is a search already"):
        search.begin(axes, small(), 3, begun, resume=False)
    with pytest.raises(UsageError, match="searches something else"):
        search.begin(axes[:1], small(), 3, begun, resume=True)
    search.begin(axes, small(), 5, begun, resume=True)
    assert search.read(begun)[2] == 5


def test_trials_are_tasks_at_other_places(begun):
    plan = tasks.of_search(begun, CPU, tasks.Place("here", {"tries": 1}, 1))
    plans.write(plan)
    assert [task.trial for task in plans.read(begun).tasks] == [0, 1, 2]


def test_a_recipe_says_among_how_many_and_trains_the_same(home, tmp_path):
    """`train.trials` is told, and changes nothing: a run may be resumed without it."""
    from segkit.engine.training.checkpoint import refuse_changes

    refuse_changes(to_dict(small()), to_dict(small(trials=40)))
    assert paths.short_hash(to_dict(small())) != paths.short_hash(to_dict(small(trials=40)))
