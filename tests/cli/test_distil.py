"""`segkit distil`: train's options, errors before torch, the teacher's recipe, going on."""

import inspect
import json
import subprocess
import sys

import pytest

from segkit.cli import run
from segkit.cli.training import distil, train
from segkit.engine.runs import open_run

SMALL = [
    *("--data", "demo", "--set", "data.variant=original+count=24", "--size", "32"),
    *("--set", "model.width=4", "--set", "model.levels=2", "--batch", "4", "--device", "cpu"),
]

PROBE = """
import sys, json
from segkit.cli import run
code = run({words!r})
print("@@" + json.dumps([code, [m for m in ("torch", "numpy", "cv2") if m in sys.modules]]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder and a home of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dermoscpy", "--to", "unet"], "did you mean the trained network 'dermoscopy'"),
        (["dermoscopy", "--to", "unett", "--data", "demo"], "did you mean 'unet'"),
        (["dermoscopy", "--to", "unet"], "isic2017 is not on this machine"),
        (["dermoscopy", "--to", "unet", "--data", "demo", "--weight", "2"], "weight is 2.0"),
        (["dermoscopy", "--to", "unet", "--data", "demo", "--temperature", "0"], "be positive"),
        (["dermoscopy"], "--to"),
    ],
)
def test_wrong_usage_answers_before_torch(place, words, says):
    program = PROBE.format(words=["distil", *words])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    code, heavy = json.loads(done.stdout.rpartition("@@")[2])
    assert code == 2, done.stderr
    assert heavy == []
    assert says in done.stderr


def test_every_option_of_train_is_an_option_of_distil():
    ours = inspect.signature(distil.command).parameters
    theirs = inspect.signature(train.command).parameters
    assert set(theirs) - {"architecture"} == set(ours) - {"teacher", "to", "temperature", "weight"}


def test_from_a_teacher_to_a_pupil_that_goes_on(place, capsys):
    assert run(["train", "unet", *SMALL, "--epochs", "1", "--split", "7:3", "--out", "large"]) == 0
    words = ["distil", "large", "--to", "unet", "--set", "model.width=2", "--device", "cpu"]
    words += ["--temperature", "3", "--out", "small"]
    assert run([*words, "--epochs", "1"]) == 0
    pupil, teacher = open_run(place / "small"), open_run(place / "large")
    assert pupil.split.hash == teacher.split.hash
    assert pupil.recipe.data == teacher.recipe.data
    assert (pupil.recipe.distil.temperature, pupil.recipe.model["width"]) == (3.0, 2)
    assert pupil.environment["command"]
    (place / "small/fold0/fold.json").unlink()
    assert run(["distil", "large", "--to", "unet", "--resume", "--out", "small"]) == 0
    assert run(["train", "unet", "--resume", "--out", "small"]) == 0
    capsys.readouterr()
    assert run(["distil", "small", "--to", "unet", "--resume", "--out", "small"]) == 2
    assert "is taught by large, not by small" in capsys.readouterr().err
