"""The card of a prepared set: valid by the rules of its makers, true to the files."""

import json

import numpy as np
import pytest

from segkit import paths
from segkit.cli import run as segkit


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    assert segkit(["data", "prepare", "demo", "--size", "32", "--folds", "3"]) == 0
    folder = tmp_path / "prepared" / "demo" / "32-stretch-original"
    assert segkit(["data", "card", "demo"]) == 0
    return folder


def test_the_card_names_files_splits_and_their_hashes(root, tmp_path):
    value = json.loads((root / "croissant.json").read_text())
    files = {entry["@id"]: entry for entry in value["distribution"]}
    assert files["images.npy"]["sha256"] == paths.sha256(root / "images.npy")
    [split] = [name for name in files if name.startswith("splits/")]
    [_, records] = value["recordSet"]
    count = len(np.load(root / "images.npy"))
    tested = [r["splits/count"] for r in records["data"] if r["splits/part"] == "test"]
    assert sum(tested) == count
    assert {r["splits/file"] for r in records["data"]} == {split}
    assert value["conformsTo"][0].endswith("croissant/1.1")
    assert "resized to 32x32 pixels (stretch)" in value["rai:dataPreprocessingProtocol"]
    assert str(tmp_path) not in json.dumps(value)


def test_mlcroissant_takes_it_and_reads_the_records(root):
    mlc = pytest.importorskip("mlcroissant")
    dataset = mlc.Dataset(jsonld=str(root / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    ids = [row["pictures/id"] for row in dataset.records("pictures")]
    wanted = [item["id"] for item in json.loads((root / "manifest.json").read_text())["items"]]
    assert [x.decode() if isinstance(x, bytes) else x for x in ids] == wanted


def test_what_is_not_prepared_has_no_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    assert segkit(["data", "card", "demo"]) == 1
    assert "segkit data prepare demo" in capsys.readouterr().err
