"""What an older segkit has written opens unchanged: runs, recipes and prepared sets, stored here.

`older/*.zip` were made by that version's own code: a prepared set of 12 drawn pictures at 32x32, a
finished run of two folds, and the same run stopped after the first epoch of its second fold.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from segkit.data.store import open_prepared
from segkit.engine.evaluating.evaluate import evaluate_run
from segkit.engine.runs import open_run
from segkit.engine.training.crossval import TrainingOptions, train
from segkit.recipe import from_dict
from segkit.report.page import write_report

STORED = sorted((Path(__file__).parent / "older").glob("*.zip"))


@pytest.fixture(params=STORED, ids=lambda p: p.stem)
def older(request, tmp_path, monkeypatch) -> Path:
    """A folder as that version left it: `home`, `finished`, `stopped`."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "older")
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "older" / "home"))
    return tmp_path / "older"


def test_the_scores_of_a_finished_run_are_its_own(older):
    said = json.loads((older / "finished" / "summary.json").read_text())
    found = evaluate_run(older / "finished", device="cpu", save=False)
    assert found["n"] == said["n"] == 12
    assert len(open_run(older / "finished").folds) == 2
    for name, figure in said["metrics"].items():
        assert found["metrics"][name]["mean"] == pytest.approx(figure["mean"], abs=1e-6), name
        assert found["metrics"][name]["ci95"] == pytest.approx(figure["ci95"], abs=1e-6), name


def test_a_stopped_run_goes_on_to_the_same_weights(older):
    run = open_run(older / "stopped")
    assert not run.folds[1].finished
    options = TrainingOptions(device="cpu", resume=True, score=False)
    list(train(run.recipe, older / "stopped", options))
    for fold in ("fold0", "fold1"):
        ours = load_file(older / "stopped" / fold / "best.safetensors")
        theirs = load_file(older / "finished" / fold / "best.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(np.allclose(ours[key], theirs[key], atol=1e-5) for key in ours)


def test_its_recipe_and_its_prepared_set_are_read(older):
    stored = json.loads((older / "finished" / "recipe.json").read_text())
    assert from_dict(stored).train.epochs == 2
    folder = next((older / "home" / "prepared" / "demo").glob("32-*"))
    assert len(open_prepared(folder).ids) == 12


def test_its_report_is_drawn(older):
    page = write_report([older / "finished"], older / "report.html")
    assert "unet" in page.read_text(encoding="utf-8")
