"""Trackers: shared names, TensorBoard and MLflow files, a stranger's tracker, missing packages."""

import dataclasses
from typing import ClassVar

import pytest
from short_runs import recipe, run

from segkit import plugins
from segkit.api import Logger
from segkit.engine import environment
from segkit.engine.runs import write_run
from segkit.engine.training import loggers
from segkit.errors import MissingExtra
from segkit.events import Done, EpochDone, Stepped

EPOCH = EpochDone(
    fold=1,
    seed=0,
    epoch=2,
    loss=0.5,
    lr=1e-3,
    val={"dice_image": 0.75},
    seconds=1.0,
    images_per_s=10.0,
    best=True,
    memory_mb=1.0,
)
DONE = Done("runs/x", {"metrics": {"dice_image": {"mean": 0.8}}})


def test_names_carry_fold_and_seed():
    assert loggers.figures(EPOCH)["fold1/val_dice_image"] == 0.75
    assert "seed3/fold1/loss" in loggers.figures(dataclasses.replace(EPOCH, seed=3))
    assert loggers.scores(DONE) == {"test/dice_image": 0.8}
    assert loggers.scores(Done("runs/x", None)) == {}


def test_tensorboard_has_the_curves(home, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(recipe(), tmp_path / "r", folds=[0], loggers=("tensorboard",))
    found = EventAccumulator(str(tmp_path / "r" / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("fold0/loss")] == [1, 2]
    assert "fold0/val_dice_image" in found.Tags()["scalars"]


def test_mlflow_has_settings_and_figures(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = recipe_of_nothing()
    tracker = loggers.MLflow(tmp_path / "r", {"recipe": made})
    for event in (EPOCH, Stepped(1, 0, 2, 1, 9, 0.5), DONE):
        tracker.log(event)
    tracker.close()
    kept = mlflow.search_runs(experiment_names=["segkit"], output_format="list")[0]
    assert kept.data.metrics["fold1/val_dice_image"] == 0.75
    assert kept.data.metrics["test/dice_image"] == 0.8
    assert kept.data.params["optim.lr"] == "0.001"


def test_weights_and_biases_through_its_own_contract(tmp_path, monkeypatch):
    """The package itself wants an account: a stand-in records what would be sent."""
    import sys
    import types

    sent = []
    kept = types.SimpleNamespace(
        log=sent.append, summary={}, finish=lambda: sent.append("finished")
    )
    module = types.ModuleType("wandb")
    module.init = lambda **settings: kept
    monkeypatch.setitem(sys.modules, "wandb", module)
    tracker = loggers.WeightsAndBiases(tmp_path, {"recipe": recipe_of_nothing()})
    for event in (EPOCH, DONE):
        tracker.log(event)
    tracker.close()
    assert sent[0]["epoch"] == 2
    assert sent[-1] == "finished"
    assert kept.summary == {"test/dice_image": 0.8}


class Recorder:
    events: ClassVar[list[str]] = []
    closed = 0

    def __init__(self, folder, settings):
        assert folder.name == "r"
        assert settings["recipe"].architecture == "unet"

    def log(self, event):
        self.events.append(event["event"])

    def close(self):
        Recorder.closed += 1


def test_a_strangers_tracker_sees_every_event_and_is_closed(home, tmp_path, monkeypatch):
    mine = Logger("mine", "Records.", Recorder)
    monkeypatch.setattr(
        plugins, "get", lambda g, n, get=plugins.get: mine if n == "mine" else get(g, n)
    )
    run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0], loggers=("mine",))
    assert Recorder.events.count("epoch") == 1
    assert Recorder.events[-1] == "done"
    assert Recorder.closed == 1


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    made = write_run(tmp_path / "r", recipe_of_nothing(), {}, {})
    with pytest.raises(MissingExtra, match=r"segkit\[track\]"):
        environment.open_loggers(["wandb"], made)


def recipe_of_nothing():
    from segkit.recipe import Recipe

    return Recipe()
