"""A short slice of the campaign over damaged run folders; `make campaign` runs the long one."""

import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import run_folders
from damage import DAMAGES

from segkit.engine import runfiles
from segkit.engine.evaluating.cases_csv import read_cases
from segkit.engine.runs import open_run
from segkit.errors import SegkitError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SEGKIT_HOME", "")  # put back afterwards
    yield run_folders.make_runs(tmp_path_factory.mktemp("damaged"))
    patch.undo()


def test_no_damaged_file_is_more_than_a_line(runs, tmp_path):
    _, tried, faults = run_folders.campaign(runs, tmp_path / "work", iter(range(1, 23)))
    assert tried >= 80
    assert faults == []


def test_every_damage_changes_the_file(runs):
    data = (runs / "a" / "recipe.json").read_bytes()
    for name, change in DAMAGES.items():
        assert change(data, random.Random(1)) != data, name


def read_all(run):
    known = [run.recipe, run.card, run.environment, run.summary, run.folds[0].history()]
    return [*known, read_cases(run.folds[0].cases_csv)]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("recipe.json", "[1]", "it is [1]"),
        ("recipe.json", '{"data": {"size": "x"}}', "data.size is 'x'"),
        ("data.json", '{"name": "demo"}', "'classes' is missing"),
        ("environment.json", '{"plan": {"seeds": [0]}}', "'plan.folds' is missing"),
        ("summary.json", '{"n": 3, "metrics": {"x": {"mean": "1"}}}', "metrics.x.mean is '1'"),
        ("fold0/metrics.csv", "epoch,lr\n1", "line 2 has another number of cells"),
        ("fold0/cases.csv", "id,dice,iou\na,x,1\n", "could not convert string to float"),
    ],
)
def test_the_line_names_the_file_and_the_place(runs, tmp_path, file, text, said):
    shutil.copytree(runs / "a", tmp_path / "a")
    (tmp_path / "a" / file).write_text(text)
    with pytest.raises(SegkitError, match="is damaged") as caught:
        read_all(open_run(tmp_path / "a"))
    assert str(tmp_path / "a" / file) in str(caught.value)
    assert said in str(caught.value)


def test_true_is_no_number():
    assert runfiles.misfit({"n": True}, {"n": int}) == "n is True"


def test_a_resumed_training_names_a_recipe_that_is_none(runs, tmp_path, capsys):
    from segkit.cli import run as command

    shutil.copytree(runs / "a", tmp_path / "a")
    (tmp_path / "a" / "recipe.json").write_text("[]")
    assert command(["train", "unet", "--resume", "--out", str(tmp_path / "a")]) == 1
    assert "recipe.json is damaged: it is []" in capsys.readouterr().err
