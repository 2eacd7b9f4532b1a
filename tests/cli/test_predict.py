"""`segkit predict` from the command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from segkit.cli import run as segkit
from segkit.testing.runs import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(make_run(tmp_path_factory.mktemp("runs") / "unet-demo").path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, size in enumerate([(30, 40), (64, 64)]):
        pixels = np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{index}.png")
    return folder


def test_a_folder_is_predicted(run, photos, tmp_path, capsys):
    assert segkit(["predict", run, str(photos), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "p0.png" in shown.out
    assert "2 pictures predicted" in shown.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "masks",
        "overlays",
        "predictions.csv",
    ]


def test_json_is_one_document_and_names_the_broken(run, photos, tmp_path, capsys):
    (photos / "broken.png").write_text("no picture")
    code = segkit(["predict", run, str(photos), "--out", str(tmp_path / "out"), "--json"])
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert code == 1
    assert document["n"] == 2
    assert [row["width"] for row in document["predictions"]] == [40, 64]
    assert document["skipped"][0]["file"].endswith("broken.png")
    assert "1 of 3 pictures could not be read" in shown.err
    with open(tmp_path / "out" / "predictions.csv", newline="") as handle:
        assert len(list(csv.DictReader(handle))) == 2


@pytest.mark.parametrize("flag", [["--tta", "flips"], ["--sliding", "--overlap", "0.25"]])
def test_other_ways_to_predict(run, photos, tmp_path, flag):
    assert segkit(["predict", run, str(photos), "--out", str(tmp_path / "out"), *flag]) == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 2


def test_a_lower_threshold_gives_larger_masks(run, photos, tmp_path, capsys):
    areas = []
    for threshold in ("0.01", "0.99"):
        words = ["predict", run, str(photos), "--out", str(tmp_path / threshold), "--json"]
        assert segkit([*words, "--threshold", threshold]) == 0
        document = json.loads(capsys.readouterr().out)
        areas.append(sum(row["area"] for row in document["predictions"]))
    assert areas[0] > areas[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tta", "flip"], "did you mean 'flips'"),
        (["--threshold", "2"], "between 0 and 1"),
        (["--fold", "first"], "a number or 'all'"),
        (["--sliding", "--overlap", "1.5"], "overlap is 1.5"),
    ],
)
def test_wrong_usage_is_exit_code_two(run, photos, tmp_path, capsys, words, said):
    assert segkit(["predict", run, str(photos), "--out", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_run_or_picture_is_one_line(run, photos, tmp_path, capsys):
    assert segkit(["predict", str(tmp_path / "no"), str(photos), "--out", "out"]) == 2
    assert segkit(["predict", run, str(tmp_path / "no.png"), "--out", "out"]) == 2
    assert "Traceback" not in capsys.readouterr().err
