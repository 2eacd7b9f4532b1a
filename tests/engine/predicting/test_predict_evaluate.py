"""Prediction and evaluation give the same masks for the same pictures."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.cli import run as segkit
from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.runs import open_run
from segkit.report.page import write_report
from segkit.report.viewing import Cases


def draw(folder, index, size):
    """A dark blob on a bright ground as JPEG, large enough to be decoded reduced, and its mask."""
    generator = np.random.default_rng(index)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    centre = generator.uniform(0.3, 0.7, 2) * size
    radii = generator.uniform(0.15, 0.3, 2) * size
    blob = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    image = np.where(blob[..., None], (110, 70, 60), (220, 180, 160)) + generator.normal(
        0, 20, (*size, 3)
    )
    Image.fromarray(image.clip(1, 255).astype(np.uint8)).save(folder / f"case{index:02}.jpg")
    Image.fromarray(blob.astype(np.uint8) * 255).save(folder / f"case{index:02}_mask.png")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", params=["stretch", "letterbox"])
def trained(request, home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(12):
        draw(folder, index, [(250, 340), (674, 505), (240, 240)][index % 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(home))
        patch.chdir(folder)
        name = f"blobs-{request.param}"
        torch.set_num_threads(1)
        words = ["data", "import", name, "--images", "*.jpg", "--masks", "*_mask.png", "--yes"]
        assert segkit(words) == 0
        run = folder / "run"
        settings = ["model.width=4", "model.levels=2", f"data.resize={request.param}"]
        words = ["train", "unet", "--data", name, "--size", "48", "--epochs", "3", "--batch", "4"]
        words += [word for setting in settings for word in ("--set", setting)]
        assert segkit([*words, "--split", "1:1", "--lr", "0.02", "--out", str(run)]) == 0
        yield run, folder


def areas_of_evaluation(run, at, monkeypatch, home, capsys):
    monkeypatch.setenv("SEGKIT_HOME", str(home))
    assert segkit(["evaluate", str(run), "--at", at, "--json"]) == 0
    json.loads(capsys.readouterr().out)
    file = run / "fold0/cases.csv" if at == "prepared" else run / f"evaluations/{at}-cases.csv"
    with open(file, newline="") as handle:
        return {row["id"]: int(row["area_prediction"]) for row in csv.DictReader(handle)}


def test_at_original_size_every_area_is_equal(trained, tmp_path, monkeypatch, home, capsys):
    run, folder = trained
    scored = areas_of_evaluation(run, "original", monkeypatch, home, capsys)
    assert segkit(["predict", str(run), str(folder / "*.jpg"), "--out", str(tmp_path)]) == 0
    with open(tmp_path / "predictions.csv", newline="") as handle:
        predicted = {row["mask"][6:-4]: int(row["area"]) for row in csv.DictReader(handle)}
    assert len(scored) == 6
    assert {name: predicted[name] for name in scored} == scored
    assert len(set(scored.values())) > 2


def test_at_network_size_every_area_is_equal(trained, tmp_path, monkeypatch, home, capsys):
    run, folder = trained
    scored = areas_of_evaluation(run, "prepared", monkeypatch, home, capsys)
    segmenter = load_segmenter(run, device="cpu")
    pictures = {p.path.stem: p for p in find_pictures([folder / "*.jpg"])}
    from segkit.engine.predicting.predictor import open_picture

    for name, area in scored.items():
        opened = open_picture(pictures[name].path, segmenter.size, segmenter.resize)
        high, wide = opened.geometry.content  # padding is not scored
        assert int(segmenter.masks(opened.small[None])[0, :high, :wide].sum()) == area


def test_batches_of_evaluation_and_prediction_may_differ(trained, tmp_path):
    run, folder = trained
    segmenter = load_segmenter(run, device="cpu")
    for batch in (1, 5):
        job = PredictJob(tmp_path / str(batch), batch=batch, overlays=False)
        list(run_job(segmenter, find_pictures([folder / "*.jpg"]), job))
    for file in (tmp_path / "1" / "masks").iterdir():
        assert file.read_bytes() == (tmp_path / "5" / "masks" / file.name).read_bytes()


def test_view_and_report_show_what_was_scored(trained, tmp_path, monkeypatch, home, capsys):
    run, _ = trained
    scored = areas_of_evaluation(run, "prepared", monkeypatch, home, capsys)
    cases = Cases(open_run(run), device="cpu")
    shapes = set()
    for place, case in enumerate(cases.listing["cases"]):
        stored = np.array(Image.open(io.BytesIO(cases.probability(place)))).astype(int)
        probability = (stored[..., 0] * 256 + stored[..., 1]) / 65535
        assert int((probability > 0.5).sum()) == scored[case["id"]]
        picture = np.array(Image.open(io.BytesIO(cases.picture(place))))
        assert picture.shape[:2] == probability.shape
        assert picture.any(2).all()  # no padding
        shapes.add(probability.shape)
    assert len(shapes) == (1 if "stretch" in str(cases.prepared.root) else 3)
    page = write_report([run], tmp_path).read_text()
    assert page.count('class="zoom"') == 4 * len(scored)
