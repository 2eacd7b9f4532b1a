"""A stranger's distribution: found by its metadata, checked, trained with, scored and reported."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party_plugin"
GROUPS = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
TRAIN = """train tinycnn --data stripes --size 32 --epochs 2 --batch 8 --device cpu --augment mirror
--protocol tiny-halves --set loss.name=soft_iou --set optim.name=rmsprop --set
schedule.name=halving"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`segkit WORDS` with the example beside it: what pip would write is its metadata alone."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "tiny_segkit-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-segkit\nVersion: 1.0.0\n")
    lines = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for g, e in GROUPS.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    paths = [str(folder), str(EXAMPLE / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "SEGKIT_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    }

    def segkit(*words):
        command = [sys.executable, "-m", "segkit", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return folder, segkit


@pytest.mark.slow
def test_everything_that_it_brings_keeps_its_contract(installed):
    _, segkit = installed
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) >= 9
    outcomes = json.loads(segkit("plugins", "check", *names, "--json"))
    assert {outcome["plugin"] for outcome in outcomes} == set(names)
    assert all(outcome["ok"] for outcome in outcomes)


@pytest.mark.slow
def test_it_is_trained_scored_and_reported_by(installed):
    folder, segkit = installed
    segkit(*TRAIN.split(), "--out", str(folder / "run"))
    run = folder / "run"
    recipe = json.loads((run / "recipe.json").read_text())
    assert (recipe["optim"]["name"], recipe["schedule"]["name"]) == ("rmsprop", "halving")
    assert json.loads((run / "split.json").read_text())["rule"].startswith("tiny-halves")
    scores = json.loads((run / "summary.json").read_text())["metrics"]
    assert scores["centre_shift"]["mean"] >= 0
    assert "centre_shift" in (run / "fold0" / "cases.csv").read_text().splitlines()[0].split(",")
    assert "centre_shift" in segkit("evaluate", str(run))
    table = segkit("report", str(run), "--format", "md")
    assert "Centre shift (px)" in table
    assert "Epochs" in table


@pytest.mark.slow
def test_its_trained_network_predicts_by_name(installed):
    folder, segkit = installed
    found = {model["name"]: model for model in json.loads(segkit("models", "list", "--json"))}
    assert found["bars"]["architecture"] == "tinycnn"
    picture = np.full((40, 60, 3), 60, np.uint8)
    picture[10:18] = 220
    Image.fromarray(picture).save(folder / "bar.png")
    segkit("predict", "bars", str(folder / "bar.png"), "--out", str(folder / "masks"))
    mask = np.asarray(Image.open(folder / "masks" / "masks" / "bar.png")) > 0
    assert mask[11:17].mean() > 0.9 > 0.2 > mask[24:].mean()
