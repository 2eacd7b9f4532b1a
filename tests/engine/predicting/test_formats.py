"""What predict writes for annotation tools comes back through `data import` as the same masks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.cli import run as segkit
from segkit.data.images import indices_from
from segkit.data.pairing import Pair
from segkit.engine.predicting import formats
from segkit.engine.predicting.outputs import write_mask
from segkit.errors import UsageError
from segkit.testing.runs import make_run

PLACES = {
    "geojson": "geojson",
    "coco": "coco.json",
    "coco-polygons": "coco-polygons.json",
    "yolo": "yolo",
    "labelstudio": "labelstudio/tasks.json",
    "cvat": "cvat.xml",
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Three pictures with masks of two classes: blobs with holes and islands; the last is empty."""
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    draw = np.random.default_rng(3)
    truth, found = {}, []
    for name, shape in (("a", (30, 41)), ("sub/b", (25, 25)), ("c [1]", (16, 20))):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 255, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
        mask = np.kron(draw.integers(0, 3, (9, 11)), np.ones((5, 5)))[: shape[0], : shape[1]]
        mask = np.where(draw.random(shape) < 0.1, 0, mask).astype(np.uint8)
        mask = mask * (name != "c [1]")
        file = tmp_path / "out" / "masks" / f"{name}.png"
        write_mask(file, mask, 3)
        truth[name] = mask
        found.append(formats.Predicted(f"{name}.png", name, file))
    return tmp_path, truth, found


def imported(folder: Path) -> dict[str, np.ndarray]:
    raw = folder / "home" / "raw" / "back"
    listed = [Pair(**{**e, "masks": tuple(e["masks"])}) for e in json.loads(
        (raw / "pairs.json").read_text())]  # fmt: skip
    assert all(pair.image for pair in listed)
    return {pair.id: indices_from((raw / pair.masks[0]).read_bytes()) for pair in listed}


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_comes_back_as_the_same_masks(world, name):
    folder, truth, found = world
    formats.write([name], folder / "out", found, ("background", "cell", "debris"))
    words = ["--layout", name.removesuffix("-polygons"), "--from", folder / "out" / PLACES[name]]
    words += ["--images", folder / "photos", "--yes"]
    assert segkit(["data", "import", "back", *map(str, words)]) == 0
    back = imported(folder)
    assert set(back) == set(truth)
    for key, mask in truth.items():
        assert np.array_equal(back[key], mask), key
    source = json.loads((folder / "home" / "raw" / "back" / "source.json").read_text())
    assert source["classes"] == ["background", "cell", "debris"]


def test_geojson_is_what_qupath_reads(world):
    folder, _, found = world
    formats.write(["geojson"], folder / "out", found, ("background", "cell", "debris"))
    value = json.loads((folder / "out" / "geojson" / "a.geojson").read_text())
    first = value["features"][0]
    assert first["properties"]["objectType"] == "annotation"
    assert first["properties"]["classification"] == {"name": "cell", "color": [86, 180, 233]}
    ring = first["geometry"]["coordinates"][0]
    ring = ring if first["geometry"]["type"] == "Polygon" else ring[0]
    assert ring[0] == ring[-1]


def test_predict_writes_what_is_asked_for(tmp_path, capsys):
    run = make_run(tmp_path / "runs" / "unet-demo").path
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "p.png")
    words = ["predict", str(run), str(tmp_path / "p.png"), "--out", str(tmp_path / "out")]
    assert segkit([*words, "--also", "geojson,coco"]) == 0
    assert (tmp_path / "out" / "geojson" / "p.geojson").is_file()
    value = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert value["images"] == [{"id": 1, "file_name": "p.png", "height": 30, "width": 40}]
    assert segkit([*words, "--also", "geojsn"]) == 2
    assert "did you mean 'geojson'" in capsys.readouterr().err
    with pytest.raises(UsageError):
        formats.check(["svg"])


def test_annotations_of_label_studio_win_over_predictions_and_uploads_are_found(world):
    folder, _, _ = world
    box = {"x": 0, "y": 0, "width": 50, "height": 100, "rectanglelabels": ["cell"]}
    size = {"original_height": 30, "original_width": 40}
    kept = {"result": [{"type": "rectanglelabels", **size, "value": box}]}
    task = {"data": {"image": "/data/upload/1/1a2b3c4d-a.png"}, "annotations": [kept]}
    task["predictions"] = [{"result": []}]
    (folder / "t.json").write_text(json.dumps([task]))
    words = ["--layout", "labelstudio", "--from", folder / "t.json", "--images", folder / "photos"]
    assert segkit(["data", "import", "back", *map(str, words), "--yes"]) == 0
    [mask] = imported(folder).values()
    assert mask[:, :20].all()
    assert not mask[:, 20:].any()


def test_cvat_with_entities_is_refused(world, capsys):
    folder, _, _ = world
    (folder / "x.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    words = ["data", "import", "back", "--layout", "cvat", "--from", str(folder / "x.xml"), "-y"]
    assert segkit(words) == 1
    assert "defines entities" in capsys.readouterr().err
