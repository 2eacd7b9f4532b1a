"""A folder of 200 mixed pictures: each at its own size, memory flat, the bad ones named."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.testing.runs import make_run

SCRIPT = """
import json, resource, sys, time
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job
import torch
torch.set_num_threads(1)
run, folder, out, known = sys.argv[1:]
segmenter = load_segmenter(run, device="cpu")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
job, marks, begun = PredictJob(__import__("pathlib").Path(out)), [], time.process_time()
for done in run_job(segmenter, find_pictures([folder]), job):
    marks.append(peak())
print(json.dumps({"peaks": marks, "cpu": time.process_time() - begun}))
"""


def write_pictures(folder: Path, count: int, large: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """`count` files of every kind, three of them broken; name -> (width, height) of the good."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    good: dict[str, tuple[int, int]] = {}

    def save(name, picture, size=None, **settings):
        picture.save(folder / name, **settings)
        good[name] = size or picture.size

    exif = Image.Exif()
    exif[0x0112] = 6
    for index in range(count - 6):
        width, height = (int(side) for side in generator.integers(40, 700, 2))
        small = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        rgb = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        kind = index % 6
        if kind == 0:
            save(f"{index:03}.jpg", rgb)
        elif kind == 1:
            save(f"{index:03}.png", rgb.convert("L"))
        elif kind == 2:
            save(f"{index:03}.png", rgb.convert("RGBA"))
        elif kind == 3:
            deep = np.asarray(rgb.convert("L")).astype(np.uint16) * 257
            save(f"{index:03}.png", Image.fromarray(deep))
        elif kind == 4:
            save(f"{index:03}.jpg", rgb, size=(height, width), exif=exif)
        else:
            save(f"{index:03}.tif", rgb.convert("P"))
    save("one.png", Image.fromarray(np.zeros((1, 1, 3), np.uint8)))
    noise = generator.integers(0, 256, (45, 60, 3), dtype=np.uint8)
    for name in ("zlarge.jpg", "zlarge.png"):
        save(name, Image.fromarray(noise).resize(large, Image.Resampling.BILINEAR))
    whole = (folder / "000.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("this is no picture")
    (folder / "void.png").write_bytes(b"")
    return good


def predict_in_a_process(tmp_path, count, large):
    run = make_run(tmp_path / "run", {"data": {"size": [64, 64]}}).path
    good = write_pictures(tmp_path / "in", count, large)
    words = [sys.executable, "-c", SCRIPT, run, tmp_path / "in", tmp_path / "out", "-"]
    finished = subprocess.run(words, capture_output=True, text=True, check=True)
    return good, json.loads(finished.stdout)


def check_results(out: Path, good: dict[str, tuple[int, int]]) -> None:
    with open(out / "predictions.csv", newline="") as handle:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(handle)}
    assert set(rows) == set(good)
    for name, size in good.items():
        assert (int(rows[name]["width"]), int(rows[name]["height"])) == size
        with Image.open(out / rows[name]["mask"]) as mask:
            assert mask.size == size
    with open(out / "skipped.csv", newline="") as handle:
        skipped = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(handle)}
    assert set(skipped) == {"cut.jpg", "text.png", "void.png"}
    assert all(skipped.values())


def test_a_mixed_folder(tmp_path):
    good, _ = predict_in_a_process(tmp_path, 30, (1200, 900))
    check_results(tmp_path / "out", good)


@pytest.mark.slow
def test_two_hundred_pictures_in_flat_memory(tmp_path):
    good, figures = predict_in_a_process(tmp_path, 200, (6000, 4500))
    assert len(good) == 197
    check_results(tmp_path / "out", good)
    peaks = figures["peaks"]
    print(
        {"after 50": peaks[50], "after 190": peaks[190], "with 6000x4500": peaks[-1]},
        figures["cpu"],
    )
    assert peaks[190] - peaks[50] < 60  # MB: what is done is let go
    assert peaks[-1] - peaks[190] < 1000  # two pictures of 81 MB each, their answers and overlays
