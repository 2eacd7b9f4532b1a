"""kill -9 at random moments, and resume: the same files as a run that nobody disturbed."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from short_runs import outcome, recipe, run

from segkit.recipe import to_dict

CHILD = Path(__file__).parent / "child.py"


def start(home, out, settings, *words):
    environment = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(out), str(settings), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def written(tmp_path, made):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(to_dict(made)))
    return path


@pytest.fixture
def long(home):
    """A two-fold run of some seconds."""
    return recipe(train={"epochs": 40, "batch": 2}, data={"augment": "strong"})


@pytest.mark.slow
def test_killed_five_times_in_a_two_fold_run(home, tmp_path, long):
    run(long, tmp_path / "whole")
    settings, dice = written(tmp_path, long), random.Random(0)
    kills = 0
    while True:
        words = ["--resume"] if (tmp_path / "cut" / "recipe.json").exists() else []
        process = start(home, tmp_path / "cut", settings, *words)
        if kills < 5:
            _wait_for_progress(tmp_path / "cut", process)
            time.sleep(dice.uniform(0, 1.0))
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors.decode()
        kills += 1
    assert kills == 5
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    leftovers = [p for p in (tmp_path / "cut").rglob("*.tmp") if p.is_file()]
    assert all(p.name.startswith(".") for p in leftovers)  # never under a name that anyone reads


def _wait_for_progress(out, process):
    """Until the child has written a state of its own (imports take seconds)."""
    begun = time.time()
    while process.poll() is None and time.time() - begun < 60:
        states = [p.stat().st_mtime for p in out.rglob("last.pt")]
        if states and max(states) > begun:
            return
        time.sleep(0.02)


@pytest.mark.slow
def test_sigterm_saves_in_the_middle_of_an_epoch(home, tmp_path, long):
    one = dataclasses.replace(long, data=dataclasses.replace(long.data, folds=None, split="7:3"))
    settings = written(tmp_path, one)
    process = start(home, tmp_path / "cut", settings)
    _wait_for_progress(tmp_path / "cut", process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Stopped" in errors.decode()
    again = start(home, tmp_path / "cut", settings, "--resume")
    assert again.wait(120) == 0
    run(one, tmp_path / "whole")
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
