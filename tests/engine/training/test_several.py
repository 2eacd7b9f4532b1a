"""Several folds at a time, and several processes for one fold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from short_runs import outcome, recipe, run

from segkit.engine import distributed
from segkit.engine.training import crossval, parallel
from segkit.errors import SegkitError
from segkit.events import Failed
from segkit.recipe import to_dict

CHILD = Path(__file__).parent / "child.py"


@pytest.mark.slow
def test_two_folds_at_a_time_equal_one_after_another(home, tmp_path):
    made = recipe(data={"augment": "strong"})
    run(made, tmp_path / "one")
    events = run(made, tmp_path / "two", fold_jobs=2)
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")
    assert {e["fold"] for e in events if e["event"] == "epoch"} == {0, 1}


def test_an_error_in_a_childs_fold_is_the_runs_error(home, tmp_path):
    import queue

    events = queue.Queue()
    events.put(Failed("the loss is not finite", "w", "c"))
    with pytest.raises(SegkitError, match="not finite"):
        list(parallel._received(events))


def test_whether_to_score_is_rank_0s_word(monkeypatch):
    """The others may look before rank 0's files are there: they must not leave on their own."""
    heard = []
    monkeypatch.setattr(distributed, "is_main", lambda: False)
    monkeypatch.setattr(distributed, "agree", heard.append)
    monkeypatch.setattr(crossval, "_scorable", lambda run, options: False)
    assert crossval._score(None, None) is None
    assert heard == [False]  # it waited for the word, though its own look said no


def torchrun(home, processes, out, settings, *words):
    environment = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, f"--nproc-per-node={processes}", str(CHILD), str(out), str(settings)]
    done = subprocess.run(
        [*command, *words], env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(home, tmp_path):
    """Without batch norm, at the same global batch; batches of 3 are dealt unevenly."""
    made = recipe(train={"epochs": 2, "batch": 3}, data={"augment": "strong", "folds": 2})
    made = type(made)(**{**vars(made), "model": {}, "loss": type(made.loss)(name="bce")})
    settings = tmp_path / "recipe.json"
    settings.write_text(json.dumps(to_dict(made)))
    torchrun(home, 1, tmp_path / "one", settings, "--plain")
    torchrun(home, 2, tmp_path / "two", settings, "--plain")
    for fold in ("fold0", "fold1"):
        one = load_file(tmp_path / "one" / fold / "best.safetensors")
        two = load_file(tmp_path / "two" / fold / "best.safetensors")
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0)
    losses = [
        [row["loss"] for row in outcome(tmp_path / name)["fold0/metrics"]]
        for name in ("one", "two")
    ]
    assert [float(x) for x in losses[0]] == pytest.approx([float(x) for x in losses[1]], abs=1e-5)


@pytest.mark.slow
def test_validation_figures_are_equal_in_one_and_two_processes(home, tmp_path):
    """With batch norm too: the same batches are dealt whole, so the figures agree to the bit."""
    made = recipe(train={"epochs": 1, "batch": 2})
    run(made, tmp_path / "r", folds=[0])
    settings = tmp_path / "recipe.json"
    settings.write_text(json.dumps(to_dict(made)))
    for processes in (1, 2):
        torchrun(home, processes, tmp_path / "r", settings, "--validate")
    one, two = (json.loads((tmp_path / "r" / f"figures{n}.json").read_text()) for n in (1, 2))
    assert one == two
    assert 0 < one["dice_image"] <= 1
