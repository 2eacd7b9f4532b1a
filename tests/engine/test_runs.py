"""Reading and writing run folders."""

import dataclasses

import pytest

from segkit import paths
from segkit.engine.runs import fold_dir, list_runs, open_run, write_run
from segkit.errors import SegkitError
from segkit.recipe import Recipe, TrainRecipe

CARD = {"name": "demo", "classes": ["background", "lesion"]}


@pytest.fixture
def run(tmp_path):
    recipe = dataclasses.replace(Recipe(), train=TrainRecipe(epochs=3, select_on="test"))
    plan = {"seeds": [0], "folds": [0, 1]}
    return write_run(
        tmp_path / "one",
        recipe,
        {"name": "demo", "classes": ["background", "lesion"]},
        {"plan": plan},
    )


def test_what_is_written_is_read(run):
    again = open_run(run.path)
    assert again.recipe.train.epochs == 3
    assert again.selection == "test"
    assert again.card == CARD
    assert again.folds == []
    assert [fold.path.name for fold in again.planned] == ["fold0", "fold1"]


def test_state_follows_the_files(run):
    assert run.state == "0/2"
    for fold in run.planned:
        paths.write_json(fold.result_json, {"best_epoch": 1})
    assert run.state == "trained"
    paths.write_json(run.path / "summary.json", {"n": 1, "metrics": {}})
    assert run.state == "done"
    assert run.summary == {"n": 1, "metrics": {}}


def test_folds_of_several_seeds_are_sorted(tmp_path):
    for seed, index in [(1, 0), (0, 10), (0, 2)]:
        fold_dir(tmp_path, index, seed, several_seeds=True).path.mkdir(parents=True)
    paths.write_json(tmp_path / "recipe.json", {"architecture": "unet"})
    folds = open_run(tmp_path).folds
    assert [(fold.seed, fold.index) for fold in folds] == [(0, 2), (0, 10), (1, 0)]
    assert open_run(tmp_path).fold(0, seed=1).path == tmp_path / "seed1" / "fold0"


def test_zero_is_the_only_fold_there_is(run):
    (run.path / "fold3").mkdir()
    assert run.fold(0).index == run.fold(3).index == 3
    with pytest.raises(SegkitError, match="folds there: 3"):
        run.fold(7)


def test_a_missing_fold_names_those_there(run):
    for index in (0, 1):
        (run.path / f"fold{index}").mkdir()
    with pytest.raises(SegkitError, match="folds there: 0, 1"):
        run.fold(7)


def test_history_reads_empty_cells_as_nan(run):
    fold = run.planned[0]
    paths.write_text(fold.metrics_csv, "epoch,loss,val_loss\n1,0.5,\n")
    row = fold.history()[0]
    assert row["loss"] == 0.5
    assert row["val_loss"] != row["val_loss"]


def test_not_a_run(tmp_path):
    with pytest.raises(SegkitError, match="no recipe"):
        open_run(tmp_path)
    with pytest.raises(SegkitError, match="no such folder"):
        open_run(tmp_path / "nowhere")


def test_list_runs_looks_three_levels_down(run, tmp_path):
    write_run(tmp_path / "sweep" / "a" / "b", Recipe(), {}, {})
    assert [found.name for found in list_runs(tmp_path)] == ["one", "b"]
