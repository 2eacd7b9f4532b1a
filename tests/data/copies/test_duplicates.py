"""Copies are found however they were changed; pictures that only look alike are not."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from lookalikes import jpeg, scene, stored

from segkit import paths, plugins
from segkit.data import sources
from segkit.data.copies import duplicates, leaks, tiles
from segkit.data.copies.hashing import hamming, perceptual_hash, thumbnail
from segkit.data.fetching.download import Network
from segkit.data.fetching.fetch import fetch_local
from segkit.data.preparing.prepare import prepare
from segkit.data.splitting.groups import merge
from segkit.data.splitting.splits import make_split
from segkit.data.store import open_prepared

REAL = os.environ.get("SEGKIT_REAL_DATA")


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg": lambda a: jpeg(a, 40),
    "smaller": lambda a: cv2.resize(a, (110, 110), interpolation=cv2.INTER_AREA),
    "brighter": lambda a: np.clip(a * 0.7 + 60, 0, 255).astype(np.uint8),
    "recoloured": lambda a: np.clip(a * np.array([1.0, 0.8, 1.15]), 0, 255).astype(np.uint8),
    "shifted": lambda a: np.roll(a, (4, -5), axis=(0, 1)),
    "mirrored": lambda a: a[:, ::-1],
    "turned": lambda a: np.rot90(a),
    "turned and mirrored": lambda a: np.rot90(a, 3)[::-1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_lookalikes(change: str) -> None:
    pictures = {f"p{k:02d}": scene(k) for k in range(30)}
    pictures["copy"] = CHANGES[change](pictures["p07"])
    found = duplicates.find(stored("x", pictures))
    assert [(twin.one, twin.other) for twin in found] == [("copy", "p07")]
    assert found[0].kind == ("mirrored" if "mirrored" in change or "turned" in change else "near")


def test_lookalikes_pass_the_first_sieve_and_fail_the_others() -> None:
    full = stored("x", {f"p{k:02d}": scene(k) for k in range(30)})
    side = duplicates._Side(full)
    assert len(duplicates._candidates(side, side, same=True)) > 20
    assert duplicates.find(full) == []


@pytest.mark.parametrize(("change", "limit"), [("jpeg", "FINE"), ("mirrored", "MIRRORED")])
def test_the_last_sieve_has_the_last_word(
    change: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = {"a": scene(1), "b": np.ascontiguousarray(CHANGES[change](scene(1)))}
    assert len(duplicates.find(stored("x", pictures))) == 1
    monkeypatch.setattr(duplicates, limit, 1.1)
    assert duplicates.find(stored("x", pictures)) == []


def test_equal_bytes_and_flat_pictures() -> None:
    flat = np.full((160, 160, 3), 9, np.uint8)
    full = stored("x", {"a": scene(1), "b": scene(1), "c": flat, "d": flat + 1})
    found = duplicates.find(full)
    assert [(t.one, t.other, t.kind, t.score) for t in found] == [("a", "b", "bytes", 1.0)]


def test_across_sets() -> None:
    one = stored("one", {f"a{k}": scene(k) for k in range(8)})
    other = stored("other", {"a3": scene(50), "b0": jpeg(scene(5), 60), "b1": scene(2)})
    (found,) = leaks.across([one, other])
    pairs = {(twin["one"], twin["other"], twin["kind"]) for twin in found["twins"]}
    assert pairs == {("a5", "b0", "near"), ("a2", "b1", "bytes")}
    assert found["shared_ids"] == ["a3"]
    assert found["share_of_second"] == pytest.approx(2 / 3, abs=1e-4)


def test_letterbox_padding_is_no_content() -> None:
    pictures = {"a": scene(1), "b": jpeg(scene(1), 50), "c": scene(2)}
    full = stored("x", pictures)
    full.images = np.pad(full.images[:, ::2], ((0, 0), (0, 80), (0, 0), (0, 0)))
    full.resize, full.details = "letterbox", None  # as version 0.1 prepared it
    for item in full.items:
        item["height"], item["width"] = 80, 160
    assert [(t.one, t.other) for t in duplicates.find(full)] == [("a", "b")]


def test_perceptual_hash() -> None:
    one, other = thumbnail(scene(1)), thumbnail(scene(2))
    assert len(perceptual_hash(one)) == 16
    assert hamming(perceptual_hash(one), perceptual_hash(one)) == 0
    assert hamming(perceptual_hash(thumbnail(jpeg(scene(1), 40))), perceptual_hash(one)) <= 6
    assert hamming(perceptual_hash(one), perceptual_hash(other)) > 6


def test_leaks_in_a_split(busi: Callable[..., Path], make: SimpleNamespace) -> None:
    stem = "Dataset_BUSI_with_GT/malignant/malignant (9)"
    twin = make.encode(make.texture(1000 * len("benign") + 1))  # the bytes of benign (1)
    busi(6, 4, {f"{stem}.png": twin, f"{stem}_mask.png": make.encode(make.blob())})
    prepared = open_prepared(prepare("busi", (64, 64)))
    (found,) = leaks.inside(prepared)
    assert (found["one"], found["other"], found["kind"]) == ("benign (1)", "malignant (9)", "bytes")
    torn = leaks.in_split(prepared, make_split(prepared, protocol="qtseg"))
    assert torn
    assert {tuple(sorted(t["parts"])) for t in torn} == {("test", "train")}
    assert leaks.in_split(prepared, make_split(prepared, folds=3)) == []


# ---- tiles


def field(seed: int, side: int = 256) -> np.ndarray:
    """A microscopic field with nuclei everywhere, some across the cuts."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((side, side, 3), np.uint8)
    for _ in range(90):
        centre, size = rng.integers(0, side, 2).tolist(), rng.integers(6, 14, 2).tolist()
        shade = int(rng.integers(60, 250))
        cv2.ellipse(canvas, centre, size, float(rng.uniform(0, 180)), 0, 360, (shade,) * 3, -1)
    noisy = cv2.GaussianBlur(canvas, (5, 5), 0) + rng.normal(8, 1.5, canvas.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_tiles_of_one_field_are_linked() -> None:
    pictures = {}
    for number in range(5):
        whole = field(number)
        for row in range(2):
            for column in range(2):
                part = whole[row * 128 : row * 128 + 128, column * 128 : column * 128 + 128]
                pictures[f"f{number}-{row}{column}"] = part
    pictures["other size"] = field(9)[:100, :100]
    links = tiles.find(sorted(pictures), pictures.__getitem__)
    groups = merge((twin.one, twin.other) for twin in links)
    assert all(twin.one[:2] == twin.other[:2] for twin in links)
    assert len(set(groups.values())) == 5
    assert len(groups) == 20


def test_unrelated_and_flat_pictures_are_no_tiles() -> None:
    pictures = {f"p{k}": field(k, 128) for k in range(20)}
    pictures |= {
        "flat1": np.zeros((128, 128, 3), np.uint8),
        "flat2": np.zeros((128, 128, 3), np.uint8),
    }
    assert tiles.find(sorted(pictures), pictures.__getitem__) == []


# ---- the real sets


def prepared_from(name: str, folder: str) -> Any:
    fetch_local(sources.dataset(name), [Path(str(REAL)) / folder], [], Network())
    return open_prepared(prepare(name))


ISIC_TWINS = {  # all looked at: the same lesion, recoloured or shifted by some pixels
    ("0000164", "0014795"), ("0000165", "0014788"), ("0000177", "0014657"), ("0000204", "0014748"),
    ("0000205", "0014742"), ("0000206", "0014739"), ("0000222", "0014846"), ("0000223", "0014818"),
    ("0000224", "0014791"), ("0000225", "0014778"), ("0000229", "0014771"), ("0001134", "0010016"),
    ("0012205", "0013204"), ("0012290", "0013594"), ("0012672", "0012673"), ("0012756", "0013184"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SEGKIT_REAL_DATA is not set")
def test_the_twins_of_isic_2017_and_no_others(home: Path) -> None:
    prepared = prepared_from("isic2017", "isic2017_256")
    assert len(prepared) == 2000
    assert prepared.manifest["problems"] == []
    found = {(t["one"][5:], t["other"][5:]) for t in prepared.manifest["duplicates"]}
    assert found == ISIC_TWINS


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SEGKIT_REAL_DATA is not set")
def test_the_twins_of_the_busi_sample(home: Path) -> None:
    prepared = prepared_from("busi", "busi_sample")
    assert prepared.manifest["counts"]["benign"]["found"] == 10
    assert prepared.manifest["problems"] == []
    found = {(t["one"], t["other"], t["kind"]) for t in prepared.manifest["duplicates"]}
    assert found == {
        ("benign (134)", "benign (52)", "near"),
        ("benign (433)", "malignant (145)", "bytes"),
    }
    assert len(prepared.item("benign (195)")["masks"]) == 3


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SEGKIT_REAL_DATA is not set")
def test_the_tiles_of_dsb2018(home: Path) -> None:
    prepared = prepared_from("dsb2018", "dsb2018")
    assert len(prepared) == 601
    assert sum(len(item["masks"]) for item in prepared.items) == 26_176
    with open(Path(str(REAL)) / "dsb2018" / "index.csv", newline="") as handle:
        table = {row["id"]: row["tile_group"] for row in csv.DictReader(handle)}
    links = [(t["one"], t["other"]) for t in prepared.manifest["duplicates"] if t["kind"] == "tile"]
    groups = merge(links)
    known = np.array([table[name] for name in prepared.ids])
    found = np.array([groups.get(name, name) for name in prepared.ids])
    same, truth = found[:, None] == found[None], known[:, None] == known[None]
    upper = np.triu_indices(len(known), 1)
    recall = (same & truth)[upper].sum() / truth[upper].sum()
    assert recall > 0.98
    assert (same & ~truth)[upper].sum() <= 40
    assert plugins.get("datasets", "dsb2018").options["tiles"][0] == "borders"
    assert paths.raw("dsb2018").is_dir()


def _photograph(seed: int) -> np.ndarray:
    """A large picture of which JPEG can be decoded reduced: 1040 x 1300 with structure."""
    return cv2.resize(scene(seed), (1300, 1040), interpolation=cv2.INTER_CUBIC)


def test_the_same_copies_and_the_same_split_at_every_size(
    home: Path, make: SimpleNamespace, busi: Callable[..., Path]
) -> None:
    extra = {}
    for number, image in enumerate([_photograph(1), jpeg(_photograph(1), 30), _photograph(2)]):
        stem = f"Dataset_BUSI_with_GT/benign/benign ({number + 50})"
        extra[f"{stem}.png"] = make.encode(image, "JPEG", quality=95)  # by content, not by name
        extra[f"{stem}_mask.png"] = make.encode(make.blob(1040, 1300))
    busi(extra=extra)
    wishes = [((24, 24), "stretch"), ((64, 64), "stretch"), ((96, 128), "letterbox")]
    wishes += [((128, 128), "stretch"), ((200, 200), "stretch")]
    found, splits = [], []
    for size, resize in wishes:
        prepared = open_prepared(prepare("busi", size=size, resize=resize))
        found.append(prepared.manifest["duplicates"])
        splits.append(make_split(prepared, split="7:3", seed=0).hash)
    assert [(t["one"], t["other"]) for t in found[0]] == [("benign (50)", "benign (51)")]
    assert all(twins == found[0] for twins in found)
    assert len(set(splits)) == 1


def test_a_set_of_the_version_before_keeps_its_split_and_says_so(
    home: Path, busi: Callable[..., Path]
) -> None:
    busi()
    prepared = open_prepared(prepare("busi", size=(64, 64)))
    before = make_split(prepared, split="7:3", seed=0)
    (prepared.root / "details.npy").unlink()
    after = make_split(open_prepared(prepared.root), split="7:3", seed=0)
    assert after.hash == before.hash
    assert any("searched at 64x64" in note for note in after.notes)
    assert not any("searched at" in note for note in before.notes)
