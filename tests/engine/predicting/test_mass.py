"""Pictures in parts: the same results as in one go, none twice, none lost, wherever they lie."""

import collections
import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.cli import run as segkit
from segkit.engine.predicting import mass, rle
from segkit.engine.predicting.parts import MassJob
from segkit.engine.predicting.storage import Storage
from segkit.errors import MissingExtra, SegkitError, UsageError
from segkit.testing.runs import make_run

TIME = "ms"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "unet-demo").path


def write_photos(folder, count, side=40):
    folder.mkdir(parents=True)
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side + index % 5, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"p{index}.png")
    return folder


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", 11)


def job(run, tmp_path, **over):
    return MassJob(str(run), str(tmp_path / "out"), **{"size": 4, "device": "cpu", **over})


def table(file):
    with open(file, newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [{key: value for key, value in row.items() if key != TIME} for row in rows]


def test_parts_give_what_one_go_gives(run, photos, tmp_path, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    words = ["predict", str(run), str(photos), "--device", "cpu", "--no-overlays"]
    assert segkit([*words, "--out", str(whole)]) == 0
    assert segkit([*words, "--out", str(out), "--part", "4", "--json"]) == 0
    shown = capsys.readouterr().out
    document = json.loads(shown[shown.index("{") :])
    assert (document["n"], document["parts"], document["skipped"]) == (11, 3, 0)
    assert table(out / "predictions.csv") == table(whole / "predictions.csv")
    for mask in (whole / "masks").iterdir():
        assert (out / "masks" / mask.name).read_bytes() == mask.read_bytes()
    assert len(list((out / "masks").iterdir())) == 11


def test_what_is_done_is_not_repeated(run, photos, tmp_path, monkeypatch):
    asked = job(run, tmp_path)
    list(mass.run_mass(asked, [str(photos)]))
    (tmp_path / "out" / "parts" / "part-00001.json").unlink()  # as if it had been killed there
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "masks").iterdir()}
    events = list(mass.run_mass(asked, [str(photos)]))
    assert events[0].document() == {"event": "parts", "of": 11, "done": 7}
    assert [event["part"] for event in events if event["event"] == "part"] == [1]
    changed = {p.name for p, then in before.items() if p.stat().st_mtime_ns != then}
    assert changed == {f"p{n}.png" for n in (4, 5, 6, 7)}
    assert len(table(tmp_path / "out" / "predictions.csv")) == 11
    monkeypatch.setattr(mass, "PartPredictor", None)  # nothing is loaded when all is done
    assert list(mass.run_mass(asked, [str(photos)]))[-1]["this_time"]["n"] == 0


def test_a_picture_that_came_later_is_not_taken_and_another_job_is_refused(run, photos, tmp_path):
    asked = job(run, tmp_path)
    list(mass.run_mass(asked, [str(photos)]))
    Image.new("RGB", (40, 40)).save(photos / "a-new-one.png")
    assert next(iter(mass.run_mass(asked, [str(photos)])))["of"] == 11
    with pytest.raises(UsageError, match=r"another prediction: differs in threshold"):
        list(mass.run_mass(replace(asked, threshold=0.3), [str(photos)]))
    weights = next(Path(run).rglob("best.safetensors"))
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-4] + b"\0\0\0\0")
        with pytest.raises(UsageError, match="differs in weights"):
            list(mass.run_mass(asked, [str(photos)]))
    finally:
        weights.write_bytes(kept)


def test_a_broken_picture_is_named_and_ends_with_1(run, photos, tmp_path, capsys):
    (photos / "p3.png").write_text("no picture")
    words = ["predict", str(run), str(photos), "--part", "4", "--out", str(tmp_path / "out")]
    assert segkit(words) == 1
    assert "1 pictures could not be read" in capsys.readouterr().err
    assert table(tmp_path / "out" / "skipped.csv")[0]["file"].endswith("p3.png")
    rows = table(tmp_path / "out" / "predictions.csv")
    assert len(rows) == 10
    for row in rows:  # a broken one overtakes the batch it was read with
        assert Path(row["file"]).stem == Path(row["mask"]).stem


def test_coco_and_parquet_hold_the_masks(run, photos, tmp_path):
    list(mass.run_mass(job(run, tmp_path), [str(photos)]))
    masks = {p.stem: np.array(Image.open(p)) > 0 for p in (tmp_path / "out/masks").iterdir()}
    coco = replace(job(run, tmp_path), out=str(tmp_path / "coco"), write="coco")
    list(mass.run_mass(coco, [str(photos)]))
    document = json.loads((tmp_path / "coco" / "predictions.coco.json").read_text())
    assert [image["id"] for image in document["images"]] == list(range(1, 12))
    files = {image["id"]: Path(image["file_name"]).stem for image in document["images"]}
    assert len({item["id"] for item in document["annotations"]}) == len(document["annotations"])
    for item in document["annotations"]:
        height, width = item["segmentation"]["size"]
        mask = rle.decode(item["segmentation"]["counts"], height, width)
        assert np.array_equal(mask > 0, masks[files[item["image_id"]]])
        assert item["area"] == mask.sum()
    pq = pytest.importorskip("pyarrow.parquet")
    parquet = replace(coco, out=str(tmp_path / "parquet"), write="parquet")
    list(mass.run_mass(parquet, [str(photos)]))
    rows = pq.read_table(tmp_path / "parquet" / "parquet").to_pylist()
    assert len(rows) == 11
    for row in rows:
        mask = rle.decode(row["rle"], row["height"], row["width"])
        assert np.array_equal(mask > 0, masks[Path(row["file"]).stem])


def test_pictures_and_results_at_an_address(run, photos, tmp_path):
    """fsspec's own memory:// stands for any store; S3 is below."""
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.put(str(photos), "/bucket/photos", recursive=True)
    asked = replace(job(run, tmp_path), out="memory://bucket/out")
    last = list(mass.run_mass(asked, ["memory://bucket/photos"]))[-1]
    assert (last["n"], last["skipped"]) == (11, 0)
    list(mass.run_mass(job(run, tmp_path), [str(photos)]))
    for mask in (tmp_path / "out" / "masks").iterdir():
        assert fs.cat(f"/bucket/out/masks/{mask.name}") == mask.read_bytes()
    text = fs.cat("/bucket/out/predictions.csv").decode()
    assert text.count("memory://bucket/photos/p") == 11
    assert next(iter(mass.run_mass(asked, ["memory://bucket/photos"])))["done"] == 11
    empty = replace(asked, out="memory://bucket/other")
    with pytest.raises(UsageError, match="holds no pictures"):
        list(mass.run_mass(empty, ["memory://bucket/nothing"]))


def test_an_address_nobody_knows(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="is no address"):
        Storage("carrier-pigeon://coop").names("x")
    import fsspec

    def absent(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(MissingExtra, match=r"'s3fs'(.|\n)*segkit\[ray\]"):
        Storage("s3://bucket").names("x")


@pytest.mark.parametrize("words", [["--sliding"], ["--defer", "0.1"], ["--on", "slurm"]])
def test_what_does_not_go_in_parts(run, photos, tmp_path, words, capsys):
    out = str(tmp_path / "out")
    assert segkit(["predict", str(run), str(photos), "--out", out, "--part", "4", *words]) == 2


@pytest.mark.slow
@pytest.mark.cluster
def test_pictures_in_s3(run, photos, monkeypatch, tmp_path):
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server")
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    there = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    there.start()
    host, port = there.get_host_and_port()
    address = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    try:
        s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        s3.create_bucket(Bucket="clinic")
        for file in photos.iterdir():
            s3.upload_file(str(file), "clinic", f"photos/{file.name}")
        asked = replace(job(run, tmp_path), out="s3://clinic/out")
        last = list(mass.run_mass(asked, ["s3://clinic/photos"]))[-1]
        assert last["n"] == 11
        assert next(iter(mass.run_mass(asked, ["s3://clinic/photos"])))["done"] == 11
        listed = s3.list_objects_v2(Bucket="clinic", Prefix="out/masks/")["Contents"]
        assert len(listed) == 11
    finally:
        there.stop()


@pytest.mark.slow
@pytest.mark.cluster
def test_on_ray_with_a_worker_killed_each_picture_exactly_once(run, tmp_path):
    pytest.importorskip("ray")
    photos = write_photos(tmp_path / "many", 1200, side=32)
    cluster = tmp_path / "cluster.toml"
    cluster.write_text("[ray]\nmachine_cpus = 2\n")
    out = tmp_path / "out"
    words = ["predict", str(run), str(photos), "--out", str(out), "--on", "ray", "--part", "20"]
    words += ["--cluster", str(cluster), "--device", "cpu", "--workers", "1"]
    around = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "segkit", *words], env=around, stderr=subprocess.PIPE, text=True
    )

    def notes():
        files = (out / "parts").glob("part-*.json")
        return [json.loads(file.read_text()) for file in files]

    begun = time.monotonic()
    while len(notes()) < 5 and time.monotonic() - begun < 200 and process.poll() is None:
        time.sleep(0.05)
    victim = notes()[-1]["pid"]
    os.kill(victim, signal.SIGKILL)
    assert process.wait(300) == 0, process.stderr.read()
    often = collections.Counter(row["file"] for row in table(out / "predictions.csv"))
    assert len(often) == 1200
    assert set(often.values()) == {1}
    assert len(list((out / "masks").iterdir())) == 1200
    assert len({note["pid"] for note in notes()}) >= 2
    by_process = collections.defaultdict(list)
    for note in sorted(notes(), key=lambda note: note["part"]):
        by_process[note["pid"]].append(note["memory_mb"])
    for held in by_process.values():  # the first part warms up
        assert max(held) - held[0] < 80, held


def test_parts_that_stay_away_are_an_error(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(mass, "_here", lambda job, todo: iter(()))
    with pytest.raises(SegkitError, match="3 parts were not predicted"):
        list(mass.run_mass(job(run, tmp_path), [str(photos)]))
