"""Prepared sets: same bytes, restartable, complete, and honest about what is odd."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segkit import paths
from segkit.data.preparing import building, jobs
from segkit.data.preparing import prepare as module
from segkit.data.preparing.prepare import ensure_prepared, prepare
from segkit.data.store import open_prepared
from segkit.errors import SegkitError, UsageError
from segkit.recipe import DataRecipe

ARRAYS = ("images.npy", "masks.npy", "thumbnails.npy", "manifest.json")


def bytes_of(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in ARRAYS}


def test_arrays_manifest_and_items(busi: Callable[..., Path]) -> None:
    busi()
    prepared = open_prepared(prepare("busi", (32, 32)))
    assert prepared.ids == sorted(prepared.ids)
    assert prepared.images.shape == (10, 32, 32, 3)
    assert prepared.masks.dtype == np.uint8
    assert set(np.unique(prepared.masks)) == {0, 1}
    item = prepared.item("benign (3)")
    assert item["cls"] == "benign"
    assert (item["height"], item["width"]) == (40, 48)
    raw = paths.raw("busi") / item["image"]
    assert item["sha256_image"] == paths.sha256(raw)
    assert prepared.manifest["arrays"]["masks.npy"] == paths.sha256(prepared.root / "masks.npy")
    image, mask = prepared.original("benign (3)")
    assert image.shape == (40, 48, 3)
    assert mask.sum() == 16 * 20


def test_same_bytes_for_any_number_of_workers(
    busi: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for workers, home in ((1, "a"), (4, "b"), (3, "c")):
        monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / home))
        busi()
        found.append(bytes_of(prepare("busi", (32, 32), workers=workers)))
    assert found[0] == found[1] == found[2]


def test_a_second_call_does_nothing(
    busi: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    busi()
    root = prepare("busi", (32, 32))
    before = (root / "images.npy").stat().st_mtime_ns
    monkeypatch.setattr(module, "build", lambda *_: pytest.fail("prepared again"))
    assert prepare("busi", (32, 32)) == root
    assert (root / "images.npy").stat().st_mtime_ns == before


def test_changed_raw_files_are_prepared_again(
    busi: Callable[..., Path], make: SimpleNamespace
) -> None:
    busi()
    root = prepare("busi", (32, 32))
    (root / "splits").mkdir()
    (root / "splits" / "mine.json").write_text("{}")
    item = open_prepared(root).item("benign (1)")
    (paths.raw("busi") / item["masks"][0]).write_bytes(make.encode(make.blob(value=0)))
    again = open_prepared(prepare("busi", (32, 32)))
    assert again.masks[again.index("benign (1)")].sum() == 0
    assert [p["kind"] for p in again.manifest["problems"]] == ["empty"]
    assert (root / "splits" / "mine.json").is_file()


def test_a_file_that_was_touched_is_read_again(
    busi: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    busi()
    root = prepare("busi", (32, 32))
    item = open_prepared(root).item("benign (1)")
    os.utime(paths.raw("busi") / item["masks"][0], ns=(1, 1))
    built: list[Path] = []
    monkeypatch.setattr(module, "build", lambda folder, *_: built.append(folder))
    prepare("busi", (32, 32))
    assert built == [root]


def test_a_killed_preparation_goes_on_and_ends_in_the_same_bytes(
    busi: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    busi()
    whole = bytes_of(prepare("busi", (32, 32)))
    root = paths.prepared("busi") / "32-stretch-original"
    for file in root.iterdir():
        file.unlink()
    root.rmdir()
    read, calls = jobs.read_pair, []

    def dying(pair: object, *rest: object) -> object:
        calls.append(pair)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return read(pair, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "read_pair", dying)
    with pytest.raises(KeyboardInterrupt):
        prepare("busi", (32, 32), workers=1)
    assert not root.exists()
    work = next(paths.prepared("busi").glob(".*.work"))
    done = (work / "items.jsonl").read_text().count("\n")
    assert done > 0
    with open(work / "items.jsonl", "a") as journal:
        journal.write('{"id": "torn')  # the kill came in the middle of a line
    calls.clear()
    monkeypatch.setattr(jobs, "read_pair", lambda *a: (calls.append(a[0]), read(*a))[1])
    prepare("busi", (32, 32), workers=1)
    assert len(calls) == 10 - done
    assert bytes_of(root) == whole


def test_every_defect_is_listed_by_id(busi: Callable[..., Path], make: SimpleNamespace) -> None:
    top = "Dataset_BUSI_with_GT/benign/benign"
    picture, mask = make.encode(make.texture(7)), make.encode(make.blob())
    inverted = 255 - make.blob()
    busi(
        2,
        0,
        {
            f"{top} (20).png": picture,
            f"{top} (21)_mask.png": mask,
            f"{top} (22).png": picture[:200],
            f"{top} (22)_mask.png": mask,
            f"{top} (23).png": picture,
            f"{top} (23)_mask.png": make.encode(make.blob(48, 40)),
            f"{top} (24).png": picture,
            f"{top} (24)_mask.png": make.encode(make.blob(value=0)),
            f"{top} (25).png": picture,
            f"{top} (25)_mask.png": make.encode(np.full((40, 48), 255, np.uint8)),
            f"{top} (26).png": picture,
            f"{top} (26)_mask.png": make.encode(inverted),
            f"{top} (27).png": picture,
            f"{top} (27)_mask.png": make.encode(make.blob(value=5)),
        },
    )
    prepared = open_prepared(prepare("busi", (32, 32)))
    kinds = {p["id"]: (p["kind"], p["kept"]) for p in prepared.manifest["problems"]}
    assert kinds == {
        "benign (20)": ("mask-missing", False),
        "benign (21)": ("image-missing", False),
        "benign (22)": ("unreadable", False),
        "benign (23)": ("size-mismatch", False),
        "benign (24)": ("empty", True),
        "benign (25)": ("full", True),
        "benign (26)": ("inverted", True),
        "benign (27)": ("faint", True),
    }
    assert len(prepared) == 6


def test_normal_pictures_are_expected_to_be_empty(
    busi: Callable[..., Path], make: SimpleNamespace
) -> None:
    stem = "Dataset_BUSI_with_GT/normal/normal (1)"
    rgb = make.encode(np.zeros((40, 48, 3), np.uint8))
    busi(1, 1, {f"{stem}.png": make.encode(make.texture(1)), f"{stem}_mask.png": rgb})
    prepared = open_prepared(prepare("busi", (32, 32)))
    assert prepared.manifest["problems"] == []
    assert prepared.manifest["counts"]["normal"] == {"found": 1, "official": 133}
    dropped = open_prepared(prepare("busi", (32, 32), options={"normal": "drop"}))
    assert len(dropped) == 2
    assert dropped.root.name == "32-stretch-original+normal=drop"


def test_builtin_sets_need_no_fetch(home: Path) -> None:
    one = open_prepared(prepare("demo", (48, 64), options={"count": "5", "seed": "3"}))
    assert one.images.shape == (5, 48, 64, 3)
    assert one.masks.any()
    image, mask = one.original(one.ids[2])
    assert np.array_equal(image, one.images[2])
    assert np.array_equal(mask, one.masks[2])
    other = open_prepared(prepare("demo", (48, 64), options={"count": "5", "seed": "4"}))
    assert not np.array_equal(one.images, other.images)


def test_what_is_not_fetched_names_the_cure(home: Path) -> None:
    with pytest.raises(SegkitError, match="segkit data fetch ph2"):
        prepare("ph2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norml": "drop"}, "normal"),
        ({"normal": "maybe"}, "keep"),
        ({"mask_resize": "cubic"}, "area"),
    ],
)
def test_wrong_options(home: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare("busi", options=options)
    with pytest.raises(UsageError, match="whole number"):
        prepare("demo", options={"count": "many"})


def test_ensure_prepared_takes_the_only_fetched_set(busi: Callable[..., Path]) -> None:
    busi()
    said: list[str] = []
    root = ensure_prepared(None, DataRecipe(size=(32, 32)), say=said.append)
    assert root.parent.name == "busi"
    assert said[0] == "using the only fetched dataset: busi"
    assert "preparing busi" in said[1]
    assert ensure_prepared(str(root), DataRecipe()) == root
    variant = ensure_prepared("busi", DataRecipe(size=(32, 32), variant="original+normal=drop"))
    assert variant.name.endswith("+normal=drop")


def test_ensure_prepared_without_any_set(home: Path) -> None:
    with pytest.raises(SegkitError, match="--data demo"):
        ensure_prepared(None, DataRecipe())


def test_a_damaged_prepared_set_says_what_to_do(busi: Callable[..., Path]) -> None:
    busi()
    root = prepare("busi", (32, 32))
    (root / "images.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(SegkitError, match="segkit data prepare busi"):
        _ = open_prepared(root).images
    (root / "images.npy").unlink()
    assert not building.is_current(root, (root / ".stamp").read_text())
    with pytest.raises(SegkitError, match="not a prepared set"):
        open_prepared(root / "nowhere")


def test_instances_are_kept_on_request(busi: Callable[..., Path], make: SimpleNamespace) -> None:
    stem = "Dataset_BUSI_with_GT/benign/benign (1)"
    second = np.zeros((40, 48), np.uint8)
    second[30:36, 36:46] = 255
    busi(1, 1, {f"{stem}_mask_1.png": make.encode(second)})
    prepared = open_prepared(prepare("busi", (40, 48), options={"instances": "yes"}))
    assert prepared.instances is not None
    labels = prepared.instances[prepared.index("benign (1)")]
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert np.array_equal(labels > 0, prepared.masks[prepared.index("benign (1)")] > 0)
    assert open_prepared(prepare("busi", (40, 48))).instances is None


def test_manifest_is_plain_json_with_the_source(busi: Callable[..., Path]) -> None:
    archive = busi()
    manifest = json.loads((prepare("busi", (32, 32)) / "manifest.json").read_text())
    source = manifest["source"][0]
    assert source["origin"] == str(archive)
    assert source["hash"] == f"sha256:{paths.sha256(archive)}"
    assert source["official"] is False
    assert manifest["licence"]
    assert manifest["citation"]
