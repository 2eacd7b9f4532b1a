"""`segkit train`, `runs`, `sweep`: errors before torch, JSON lines, resume, figures at the end."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from segkit import build, paths
from segkit.cli import run
from segkit.engine.training.request import newest_run, resolve
from segkit.errors import UsageError
from segkit.recipe import to_dict

SMALL = [
    *("--data", "demo", "--set", "data.variant=original+count=24", "--size", "32"),
    *("--set", "model.width=4", "--set", "model.levels=2", "--batch", "4", "--device", "cpu"),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder and a home of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    return tmp_path


PROBE = """
import sys, json
from segkit.cli import run
code = run({words!r})
print("@@" + json.dumps([code, [m for m in ("torch", "numpy", "cv2") if m in sys.modules]]))
"""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "unet"], "no dataset is fetched"),
        (["train", "unett", "--data", "demo"], "did you mean 'unet'"),
        (["train", "unet", "--data", "demoo"], "did you mean 'demo'"),
        (["train", "unet", "--data", "ph2"], "segkit data fetch ph2"),
        (["train", "unet", "--data", "demo", "--set", "optim.lrr=1"], "'optim.lr'"),
        (["train", "unet", "--data", "demo", "--set", "model.widht=1"], "'model.width'"),
        (["train", "unet", "--data", "demo", "--lr", "-1"], "lr is -1"),
        (["train", "unet", "--data", "demo", "--augment", "flip"], "did you mean 'flips'"),
        (["train", "unet", "--data", "demo", "--recipe", "papr"], "recipe of unet"),
        (["train", "unet", "--data", "demo", "--fold", "two"], "--fold 'two'"),
        (["train", "unet", "--data", "demo", "--batch", "many"], "--batch 'many'"),
        (["train", "unet", "--data", "demo", "--log", "paper"], "unknown logger"),
        (["train", "unet", "--data", "demo", "--resume"], "no run 'unet-demo' to resume"),
        (["sweep", "unet", "--data", "demo"], "give --grid or --study"),
        (["sweep", "--study", "vmpanet", "--data", "demo"], "unknown study"),
        (["sweep", "unet", "--grid", "model.k=1", "--data", "demo"], "unknown setting 'model.k'"),
    ],
)
def test_wrong_usage_answers_before_torch(place, words, says):
    program = PROBE.format(words=words)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    code, heavy = json.loads(done.stdout.rpartition("@@")[2])
    assert code == 2, done.stderr
    assert heavy == []
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_json_lines_and_nothing_else_on_stdout(place, capsys):
    assert run(["train", "unet", *SMALL, "--epochs", "1", "--split", "7:3", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "note"] == [
        "start",
        "fold",
        "epoch",
        "fold_done",
        "done",
    ]
    assert lines[-1]["run"] == "runs/unet-demo"
    assert 0 <= lines[-1]["summary"]["metrics"]["dice_image"]["mean"] <= 1
    assert (place / "runs" / "unet-demo" / "fold0" / "cases.csv").is_file()


def test_folds_end_with_mean_and_deviation_then_runs_lists_it(place, capsys):
    words = [*SMALL, "--epochs", "1", "--folds", "2"]
    assert run(["train", "unet", *words, "--fold", "1"]) == 0
    assert "fold 1" in capsys.readouterr().out
    assert run(["runs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in listed] == ["done"]
    assert run(["train", "unet", "--data", "demo", "--resume"]) == 0
    printed = capsys.readouterr().out
    assert "mean ± sd" in printed
    assert "fold 0" in printed
    assert run(["runs"]) == 0
    assert "runs/unet-demo" in capsys.readouterr().out
    assert not (place / "runs" / "unet-demo-2").exists()


def test_resuming_with_other_settings_names_them(place, capsys):
    words = ["train", "unet", *SMALL, "--split", "7:3", "--out", "one"]
    assert run([*words, "--epochs", "1"]) == 0
    assert run([*words, "--epochs", "3", "--resume"]) == 2
    assert "differs in train.epochs" in capsys.readouterr().err


@pytest.mark.slow
def test_several_processes_by_one_flag(place):
    """`--nproc 2` becomes torchrun; rank 0 alone speaks and writes."""
    words = ["train", "unet", *SMALL, "--epochs", "1", "--split", "7:3", "--json", "--nproc", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "segkit", *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines].count("epoch") == 1
    assert lines[-1]["summary"]["n"] > 0
    facts = paths.read_json(place / "runs" / "unet-demo" / "environment.json")
    assert facts["processes"] == 2


# --- from flags to a recipe ---


def test_epochs_stretch_the_schedule_and_say_so(place):
    file = place / "r.toml"
    file.write_text(
        '[train]\nepochs = 350\nfreeze = "encoder"\nfreeze_epochs = 49\n'
        '[schedule]\nname = "step"\nevery = 50\n'
    )
    asked = resolve("unet", str(file), {"data": {"name": "demo"}, "train": {"epochs": 35}})
    assert asked.recipe.schedule.every == 5
    assert asked.recipe.train.freeze_epochs == 5
    assert "350 → 35 epochs: schedule.every 50 → 5, train.freeze_epochs 49 → 5" in asked.notes


def test_what_is_set_by_hand_is_not_stretched(place):
    file = place / "r.toml"
    file.write_text('[train]\nepochs = 100\n[schedule]\nname = "step"\nevery = 50\n')
    flags = {"data": {"name": "demo"}, "train": {"epochs": 10}}
    assert resolve("unet", str(file), flags, ["schedule.every=7"]).recipe.schedule.every == 7


def test_a_split_flag_replaces_the_recipes_folds(place):
    file = place / "r.toml"
    file.write_text("[data]\nfolds = 5\n")
    recipe = resolve("unet", str(file), {"data": {"name": "demo", "split": "7:3"}}).recipe
    assert (recipe.data.split, recipe.data.folds) == ("7:3", None)


def test_a_protocol_brings_its_size_unless_one_is_given(place):
    from segkit.data.splitting.protocols import PROTOCOLS

    name, size = next((p.name, p.size) for p in PROTOCOLS.values() if p.size)
    flags = {"data": {"name": "demo", "protocol": name}}
    assert resolve("unet", None, flags).recipe.data.size == tuple(size)
    flags["data"]["size"] = [64, 64]
    assert resolve("unet", None, flags).recipe.data.size == (64, 64)


def test_an_unknown_protocol_is_refused(place):
    with pytest.raises(UsageError, match="unknown protocol"):
        resolve("unet", None, {"data": {"name": "demo", "protocol": "qtsegg"}})


def test_presets_and_papers_are_the_usual_recipes(place, monkeypatch):
    unet = build.architecture("unet")
    quick = unet.recipes["quick"]
    taught = dataclasses.replace(
        unet, recipes={"paper": quick, "mine": quick}, presets={"demo": "mine"}
    )
    monkeypatch.setattr(build, "architecture", lambda name: taught)
    asked = resolve("unet", None, {"data": {"name": "demo"}})
    assert asked.notes == ["recipe: unet's 'mine' (another: --recipe)"]
    assert asked.recipe.train.epochs == 24
    asked = resolve("unet", None, {"data": {"name": "demo-polyp"}})
    assert "'paper'" in asked.notes[0]


def test_a_network_of_one_size_refuses_others(place):
    flags = {
        "data": {"name": "demo", "size": [64, 64]},
        "model": {"variant": "faithful", "grid": [6, 8]},
    }
    with pytest.raises(UsageError, match="192x256"):
        resolve("dermomamba", None, flags)


def test_the_newest_of_a_name_is_resumed(place):
    from segkit.recipe import Recipe

    for name in ("unet-demo", "unet-demo-2", "unet-demo-10", "unet-demo-polyp"):
        paths.write_json(place / "runs" / name / "recipe.json", to_dict(Recipe()))
    assert newest_run(place / "runs", "unet-demo").name == "unet-demo-10"
    assert newest_run(place / "runs", "qtseg-demo") is None
