"""`segkit data`, as a user types it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segkit.cli import run
from segkit.data import sources
from segkit.data.splitting.protocols import PROTOCOLS

Words = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def segkit(home: Path, capsys: pytest.CaptureFixture[str]) -> Words:
    """Run a command line; gives exit code, stdout and stderr."""
    from segkit.cli import _console

    def call(*words: str) -> tuple[int, str, str]:
        _console.out.cache_clear()
        _console.err.cache_clear()
        code = run(["data", *words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


def png(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(array).save(sink, "PNG")
    return sink.getvalue()


def busi_zip(path: Path, count: int = 10) -> Path:
    rng = np.random.default_rng(0)
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 5:20] = 255
    with zipfile.ZipFile(path, "w") as opened:
        for k in range(1, count + 1):
            stem = f"Dataset_BUSI_with_GT/benign/benign ({k})"
            opened.writestr(f"{stem}.png", png(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)))
            opened.writestr(f"{stem}_mask.png", png(mask))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["info", "busi"],
        ["splits", "--list"],
        ["list", "--json"],
        ["info", "ph2", "--json"],
    ],
)
def test_listings_import_nothing_heavy(home: Path, words: list[str]) -> None:
    code = (
        "import sys; from segkit.cli import run; code = run(['data', *sys.argv[1:]]); "
        "heavy = {'torch', 'numpy', 'scipy', 'albumentations', 'pooch', 'cv2', 'PIL', 'requests'}; "
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules)))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_list_and_info(segkit: Words) -> None:
    code, out, _ = segkit("list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows["isic2017"]["pairs"] == 2750
    assert rows["isic2017"]["status"] == "absent"
    assert rows["bkai"]["login"] is True
    assert "Kaggle" in rows["bkai"]["reason"]
    assert rows["demo"]["status"] == "built-in"
    _, out, _ = segkit("list")
    assert "CC BY 4.0" in out
    _, out, _ = segkit("info", "bkai")
    assert "background, foreground; with --option classes=three: background, non-neoplastic" in out
    _, out, _ = segkit("info", "busi")
    assert "https://scholar.cu.edu.eg/Dataset_BUSI.zip" in out
    assert "benign (433) is byte-identical to malignant (145)" in out
    assert "Al-Dhabyani" in out
    code, _, err = segkit("info", "bussi")
    assert code == 2
    assert "did you mean 'busi'" in err


def test_the_whole_road(segkit: Words, home: Path) -> None:
    archive = busi_zip(home / "Dataset_BUSI.zip")
    code, out, err = segkit("fetch", "busi", "--from", str(archive))
    assert code == 0
    assert "20 files" in out
    assert "differs from the official" in err
    assert "next: segkit data prepare busi" in err
    code, out, err = segkit("prepare", "busi", "--size", "32", "--split", "7:3")
    assert code == 0
    assert "busi: 10 pairs at 32x32 (benign 10)" in out
    assert "fold 0: train 6, val 1, test 3" in out
    assert "busi benign: 10 of 437 pairs" in err
    folder = home / "home" / "prepared" / "busi" / "32-stretch-original"
    assert len(list((folder / "splits").glob("split-7-3-*.json"))) == 1
    code, out, _ = segkit("prepare", "busi", "--size", "24x32", "--folds", "5", "--json")
    value = json.loads(out)
    assert value["split"]["rule"] == "folds-5"
    assert [c["test"] for c in value["split"]["counts"]] == [2] * 5
    code, out, _ = segkit("check", "busi", "--size", "32", "--verify", "all", "--sheet", "s.png")
    assert code == 0
    assert "no errors, 1 warnings" in out
    assert (home / "s.png").stat().st_size > 1000
    code, _, err = segkit("show", "busi", "--size", "32", "--augment", "paper", "--out", "p.png")
    assert (code, "5 policies" in err) == (0, True)
    code, _, err = segkit("show", "busi", "--size", "32", "--augment", "strong", "--out", "a.png")
    assert code == 0
    assert "10 pictures of busi on a.png" in err
    assert (home / "a.png").read_bytes() != (home / "s.png").read_bytes()
    code, out, _ = segkit("list", "--json")
    row = next(row for row in json.loads(out) if row["name"] == "busi")
    assert (row["status"], sorted(row["prepared"])) == (
        "prepared",
        ["24x32-stretch-original", "32-stretch-original"],
    )


def test_a_protocol_brings_its_size(segkit: Words, home: Path) -> None:
    segkit("fetch", "busi", "--from", str(busi_zip(home / "x.zip")))
    code, _, err = segkit("prepare", "busi", "--protocol", "qtseg", "--size", "32")
    assert code == 0
    assert (home / "home/prepared/busi/32-letterbox-original").is_dir()
    assert "not comparable with tables that use 'qtseg'" in err
    assert "selection: test" in err
    assert PROTOCOLS["qtseg"].size_for("fives") == (1024, 1024)


def test_check_fails_when_items_are_kept_out(segkit: Words, home: Path) -> None:
    path = busi_zip(home / "x.zip")
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("Dataset_BUSI_with_GT/benign/benign (77).png", b"no picture")
    segkit("fetch", "busi", "--from", str(path))
    code, out, err = segkit("check", "busi", "--size", "32")
    assert code == 1
    assert "benign (77): mask-missing" in err
    assert "1 errors" in out


def test_leaks(segkit: Words, home: Path) -> None:
    path = busi_zip(home / "x.zip")
    with zipfile.ZipFile(path) as opened:
        copied = opened.read("Dataset_BUSI_with_GT/benign/benign (1).png")
        mask = opened.read("Dataset_BUSI_with_GT/benign/benign (1)_mask.png")
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("Dataset_BUSI_with_GT/malignant/malignant (5).png", copied)
        opened.writestr("Dataset_BUSI_with_GT/malignant/malignant (5)_mask.png", mask)
    segkit("fetch", "busi", "--from", str(path))
    code, out, _ = segkit("leaks", "busi", "--size", "32")
    assert code == 0
    assert "benign (1)  malignant (5)  bytes 1.0" in out
    assert segkit("leaks", "busi", "--size", "32", "--strict")[0] == 1
    code, out, _ = segkit("leaks", "busi", "--size", "32", "--folds", "3", "--strict", "--json")
    assert code == 0  # the folds keep the copies together
    assert json.loads(out)["sets"][0]["torn"] == []


def test_import_shows_the_pairs_and_asks(segkit: Words, home: Path) -> None:
    with zipfile.ZipFile(busi_zip(home / "x.zip", 3)) as opened:
        opened.extractall(home / "scans")
    glob = str(home / "scans/**/*.png")
    masks = str(home / "scans/**/*_mask.png")
    code, out, err = segkit("import", "ward3", "--images", glob, "--masks", masks)
    assert code == 2
    assert "3 pairs" in out
    assert "benign (1)_mask.png" in out
    assert "Add --yes" in err
    assert sources.fetched() == []
    code, out, _ = segkit(
        "import", "ward3", "--images", glob, "--masks", masks, "--dry-run", "--yes", "--json"
    )
    assert json.loads(out)["written"] is False
    code, _, err = segkit(
        "import", "ward3", "--images", glob, "--masks", masks, "--yes", "--title", "Ward 3"
    )
    assert code == 0
    assert segkit("prepare", "ward3", "--size", "16")[0] == 0
    _, out, _ = segkit("list", "--json")
    assert [r["title"] for r in json.loads(out) if r["name"] == "ward3"] == ["Ward 3"]
    assert segkit("fetch", "ward3")[0] == 2


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["fetch", "bkai"], 1, "segkit data fetch bkai --from PATH"),
        (["fetch", "chase"], 1, "record 96"),
        (["fetch", "ph2"], 1, "Add --accept-terms"),
        (["fetch", "isic2018"], 2, "Add --yes"),
        (["fetch", "isic2018", "--parts", "exam"], 2, "parts: test, train, val"),
        (["fetch", "bkai", "--via", "torrent"], 2, "allowed: kaggle"),
        (["prepare", "ph2"], 1, "Run: segkit data fetch ph2"),
        (["prepare", "demo", "--size", "big"], 2, "write N or HxW"),
        (["prepare", "demo", "--resize", "crop"], 2, "stretch, letterbox"),
        (["prepare", "demo", "--option", "count"], 2, "key=value"),
        (["prepare", "demo", "--workers", "0"], 2, "at least 1"),
        (["prepare", "demo", "--protocol", "qtsegg"], 2, "did you mean 'qtseg'"),
        (["prepare", "busi", "--observer", "2"], 2, "unknown option of busi 'observer'"),
        (["prepare", "bkai", "--mask-rule", "lab"], 2, "known: hsv, rgb"),
        (["splits"], 2, "Use --list"),
        (["splits", "--data", "isic2071"], 2, "did you mean 'isic2018'"),
        (["prepare", "demo", "--order", "id"], 2, "no split is asked for"),
        (["prepare", "demo", "--strict"], 2, "no split is asked for"),
        (["prepare", "demo", "--split", "7:3", "--seed", "-1"], 2, "--seed"),
        (["check", "demo", "--verify", "some"], 2, "allowed: all"),
        (["check", "demo", "--sheet", "c.gif"], 2, "c.gif cannot be a sheet"),
        (["check", "demo", "--sheet", "c.png", "--count", "0"], 2, "--count"),
        (["leaks", "demo", "demo"], 2, "demo is named twice"),
        (
            ["show", "demo", "--count", "0", "--size", "16", "--option", "count=2"],
            2,
            "greater than or equal to 1",
        ),
        (["import", "x"], 2, "--images and --masks are needed"),
        (
            ["import", "x", "--layout", "dicom", "--from", "."],
            2,
            "train-val-folders, coco, labelme",
        ),
        (["import", "x", "--layout", "coco", "--from", "nowhere"], 2, "does not exist"),
    ],
)
def test_mistakes_are_one_or_two_lines(
    segkit: Words, words: list[str], code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segkit.data.fetching.fetch.check_disk", lambda wanted: 10**12)
    found, _, err = segkit(*words)
    assert found == code
    assert text in err
    assert "Traceback" not in err


def test_kaggle_through_its_own_program(
    segkit: Words, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{home}:/bin:/usr/bin")
    assert "pip install kaggle" in segkit("fetch", "bkai", "--via", "kaggle")[2]
    name = "a" * 32
    with zipfile.ZipFile(home / "k.zip", "w") as opened:
        for folder in ("train/train", "train_gt/train_gt"):
            opened.writestr(f"{folder}/{name}.jpeg", png(np.zeros((8, 8, 3), np.uint8)))
    tool = home / "kaggle"
    tool.write_text(f'#!/bin/sh\ncp {home}/k.zip "$6/bkai-igh-neopolyp.zip"\n')
    tool.chmod(0o755)
    code, out, _ = segkit("fetch", "bkai", "--via", "kaggle")
    assert code == 0
    assert "2 files" in out
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "Accept the rules" in segkit("fetch", "bkai", "--via", "kaggle")[2]


def test_splits_list_names_the_papers(segkit: Words) -> None:
    _, out, _ = segkit("splits", "--list", "--json")
    rows = json.loads(out)
    assert {"qtseg", "vmpanet", "dermomamba", "eamnet", "official"} <= {row["name"] for row in rows}
    assert all(row["source"] for row in rows)
    _, out, _ = segkit("splits", "--data", "busi")
    assert "5 folds of sorted ids, tail in training, per class, without normal" in out
    assert "2981" in out


def test_every_subcommand_has_an_example(segkit: Words) -> None:
    for word in ("list", "info", "fetch", "import", "prepare", "check", "leaks", "splits", "show"):
        code, out, _ = segkit(word, "--help")
        assert code == 0
        assert f"Example: segkit data {word}" in " ".join(out.split())


def test_terms_are_asked_on_a_terminal(
    segkit: Words, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    known: Any = sources.dataset("ph2")
    local = replace(known.archives[0], urls=("http://127.0.0.1:9/PH2Dataset.rar",))
    monkeypatch.setattr(sources, "dataset", lambda name: replace(known, archives=(local,)))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    code, _, err = segkit("fetch", "ph2", "--accept-terms")
    assert code == 1
    assert "no right to pass it on" in err
    assert "connection is refused" in err
