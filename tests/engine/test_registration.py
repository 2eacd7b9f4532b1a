"""Registered runs: fixed before the first step, and what changed is named."""

import json

import pytest
import short_runs

from segkit.engine import registration
from segkit.engine.exporting.subject import find_subject
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.predicting.predictor import registered as told
from segkit.engine.runs import open_run
from segkit.errors import UsageError


@pytest.fixture
def registered(home, tmp_path):
    words = {"register": "width 4 is enough", "least": 0.02, "folds": [0]}
    short_runs.run(short_runs.recipe(train={"epochs": 1}), tmp_path / "run", **words)
    return open_run(tmp_path / "run")


def test_it_stands_before_the_first_step_and_is_said_unchanged(registered):
    found = registration.read(registered)
    assert (found["hypothesis"], found["least"]) == ("width 4 is enough", 0.02)
    said = registration.statement(registered)
    assert said.startswith("registered ")
    assert "CHANGED" not in said


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("recipe.json", lambda d: d["optim"].update(lr=0.5), "recipe (optim.lr)"),
        ("split.json", lambda d: d["folds"][0]["test"].pop(), "split"),
        ("environment.json", lambda d: d["plan"].update(seeds=[0, 1]), "plan"),
        ("registration.json", lambda d: d.update(hypothesis="other"), "the registration itself"),
    ],
)
def test_what_was_changed_is_named(registered, file, change, said):
    path = registered.path / file
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    assert f"CHANGED since: {said}" in registration.statement(open_run(registered.path))


def test_a_run_that_has_begun_cannot_be_registered(home, tmp_path):
    short_runs.run(short_runs.recipe(train={"epochs": 1}), tmp_path / "run", folds=[0])
    run = open_run(tmp_path / "run")
    assert registration.statement(run) == ""
    with pytest.raises(UsageError, match="before the first step"):
        registration.register(run, "after the fact", 0.01)


def test_going_on_keeps_the_registration_and_another_one_is_refused(registered):
    assert registration.register(registered, "width 4 is enough", 0.02)["least"] == 0.02
    with pytest.raises(UsageError, match="another hypothesis"):
        registration.register(registered, "width 8 is enough", 0.02)


@pytest.mark.parametrize(("text", "least"), [(" ", 0.01), ("x", 0.0), ("x", 1.0)])
def test_an_empty_registration_is_refused(text, least):
    with pytest.raises(UsageError):
        registration.check(text, least)


def test_what_is_exported_and_what_predicts_say_it(registered):
    folder = registered.path
    said = registration.statement(registered)
    assert said
    assert find_subject(str(folder), fold=0).card["registered"] == said
    assert told(folder, load_segmenter(folder)) == said
    (folder / registration.FILE).unlink()
    assert find_subject(str(folder), fold=0).card["registered"] is None
    assert told(folder, load_segmenter(folder)) == ""
