"""Archives and folders that are already here, however they are named or nested."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit import paths
from segkit.data import sources
from segkit.data.fetching import local
from segkit.data.fetching.download import Network
from segkit.data.fetching.fetch import fetch_local
from segkit.data.preparing.prepare import prepare
from segkit.data.store import open_prepared
from segkit.errors import SegkitError, UsageError


def isic(
    make: SimpleNamespace, top: str, numbers: range
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Image and mask members of an ISIC 2017 part, with what must be skipped."""
    images, masks = {}, {}
    for k in numbers:
        images[f"{top}_Data/ISIC_{k:07d}.jpg"] = make.encode(make.texture(k), "JPEG", quality=95)
        images[f"{top}_Data/ISIC_{k:07d}_superpixels.png"] = make.encode(make.texture(k + 99))
        masks[f"{top}_Part1_GroundTruth/ISIC_{k:07d}_segmentation.png"] = make.encode(make.blob())
    return images, masks


def take(name: str, *places: Path, parts: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """What was taken (ids by part) and what is missing."""
    outcome = fetch_local(sources.dataset(name), list(places), list(parts), Network())
    prepared = open_prepared(prepare(name, (32, 32)))
    return [f"{item['part']}/{item['id']}" for item in prepared.items], outcome.missing


EXPECTED = [f"train/ISIC_{k:07d}" for k in range(3)]
VALIDATION = ["ISIC-2017_Validation_Data.zip", "ISIC-2017_Validation_Part1_GroundTruth.zip"]


def test_official_names(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    make.pack(tmp_path / "ISIC-2017_Training_Data.zip", images)
    make.pack(tmp_path / "ISIC-2017_Training_Part1_GroundTruth.zip", masks)
    assert take("isic2017", tmp_path) == (EXPECTED, VALIDATION)
    raw = [p.name for p in paths.raw("isic2017").rglob("*") if p.is_file()]
    assert not any("superpixels" in name for name in raw)


def test_browser_copies_and_flat_members(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    flat = {name.rsplit("/", 1)[1]: data for name, data in images.items()}
    make.pack(tmp_path / "ISIC-2017_Training_Data (1).zip", flat)
    nested = {f"a/b/{name}": data for name, data in masks.items()}
    make.pack(tmp_path / "isic-2017_training_part1_groundtruth.ZIP", nested)
    assert take("isic2017", tmp_path)[0] == EXPECTED


def test_names_of_ones_own(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    make.pack(tmp_path / "pictures.zip", {n.rsplit("/", 1)[1]: d for n, d in images.items()})
    make.pack(tmp_path / "truth.zip", {n.rsplit("/", 1)[1]: d for n, d in masks.items()})
    assert take("isic2017", tmp_path / "pictures.zip", tmp_path / "truth.zip")[0] == EXPECTED


def test_one_archive_with_several_official_folders(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    more, others = isic(make, "ISIC-2017_Validation", range(5, 7))
    make.pack(tmp_path / "everything.zip", images | masks | more | others)
    ids, missing = take("isic2017", tmp_path)
    assert ids == [*EXPECTED, "val/ISIC_0000005", "val/ISIC_0000006"]
    assert missing == []


def test_unpacked_trees(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    tree = tmp_path / "tree" / "downloads"
    for name, data in (images | masks).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    (tree / "ISIC-2017_Training_Data" / "._ISIC_0000000.jpg").write_bytes(b"x")
    assert take("isic2017", tree)[0] == EXPECTED
    shutil.rmtree(tree)
    assert open_prepared(prepare("isic2017", (48, 48))).ids  # the raw folder stands on its own


def test_parts_are_added_later(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    images, masks = isic(make, "ISIC-2017_Training", range(3))
    more, others = isic(make, "ISIC-2017_Test_v2", range(7, 9))
    make.pack(tmp_path / "ISIC-2017_Training_Data.zip", images)
    make.pack(tmp_path / "ISIC-2017_Training_Part1_GroundTruth.zip", masks)
    (tmp_path / "later").mkdir()
    make.pack(tmp_path / "later" / "ISIC-2017_Test_v2_Data.zip", more)
    make.pack(tmp_path / "later" / "ISIC-2017_Test_v2_Part1_GroundTruth.zip", others)
    assert take("isic2017", tmp_path, parts=("train",))[0] == EXPECTED
    ids, missing = take("isic2017", tmp_path / "later", parts=("test",))
    assert ids == [*EXPECTED, "test/ISIC_0000007", "test/ISIC_0000008"]
    assert missing == []


def test_two_archives_for_one(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    for number in (1, 2):
        name = str(number) * 64
        members = {f"{name}/images/{name}.png": make.encode(make.texture(number))}
        for k in range(3):
            members[f"{name}/masks/{str(k) * 64}.png"] = make.encode(make.blob(at=3 * k))
        make.pack(tmp_path / f"stage1_train.part{number}of2.zip", members)
    ids, missing = take("dsb2018", tmp_path)
    assert ids == ["all/" + "1" * 64, "all/" + "2" * 64]
    assert missing == []
    assert take("dsb2018", tmp_path)[0] == ids  # again, over the older copy
    assert len(list((paths.raw("dsb2018") / "files" / "stage1_train").iterdir())) == 2


def test_a_hash_that_differs_is_a_note_not_an_error(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    archive = make.pack(tmp_path / "Dataset_BUSI.zip", make.busi_members(1, 1))
    outcome = fetch_local(sources.dataset("busi"), [archive], [], Network())
    assert "differs from the official Dataset_BUSI.zip" in outcome.notes[0]
    assert outcome.taken[0]["official"] is False


def test_wrong_places(home: Path, tmp_path: Path) -> None:
    dataset = sources.dataset("busi")
    with pytest.raises(UsageError, match="does not exist"):
        local.find(dataset, [tmp_path / "nowhere"])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SegkitError, match=r"expected Dataset_BUSI\.zip"):
        local.find(dataset, [tmp_path])
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as opened:
        opened.writestr("holiday.jpg", b"x")
    with pytest.raises(SegkitError, match="nothing of busi"):
        local.find(dataset, [tmp_path])
    with pytest.raises(UsageError, match="no part 'exam'"):
        fetch_local(dataset, [tmp_path], ["exam"], Network())
    assert sources.fetched() == []


def test_the_second_half_joins_the_first(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    members = list(make.busi_members(4, 0).items())
    dataset = sources.dataset("busi")
    halves = [
        make.pack(tmp_path / f"Dataset_BUSI.part{k}of2.zip", dict(members[4 * k : 4 * k + 4]))
        for k in range(2)
    ]
    for half in (*halves, halves[0]):  # the last one is there already
        fetch_local(dataset, [half], [], Network())
    assert len(open_prepared(prepare("busi", (32, 32)))) == 4
    known = sources.source("busi") or {}
    assert len(known["folders"]) == len(known["archives"]) == 2
    whole = make.pack(tmp_path / "Dataset_BUSI.zip", dict(members))
    fetch_local(dataset, [whole], [], Network())
    known = sources.source("busi") or {}
    assert len(known["folders"]) == len(known["archives"]) == 1


def test_one_archive_under_two_names_is_taken_once(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    whole = make.pack(tmp_path / "Dataset_BUSI.zip", make.busi_members(2, 1))
    shutil.copy(whole, tmp_path / "Dataset_BUSI (1).zip")
    with zipfile.ZipFile(whole) as opened:
        opened.extractall(tmp_path / "tree")
    places = [tmp_path / "tree", tmp_path, whole]
    outcome = fetch_local(sources.dataset("busi"), places, [], Network())
    assert len(outcome.taken) == 1
    assert any("taken once" in note for note in outcome.notes)
    prepared = open_prepared(prepare("busi", (32, 32)))
    assert (len(prepared), prepared.manifest["problems"]) == (3, [])


def test_what_a_killed_fetch_left_is_cleared(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    stale = paths.raw("busi") / ".incoming-abc"
    stale.mkdir(parents=True)
    archive = make.pack(tmp_path / "Dataset_BUSI.zip", make.busi_members(1, 1))
    fetch_local(sources.dataset("busi"), [archive], [], Network())
    assert not stale.exists()


def test_one_half_packed_and_one_unpacked(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    members = list(make.busi_members(4, 0).items())
    first = make.pack(tmp_path / "Dataset_BUSI.part1of2.zip", dict(members[:4]))
    for name, data in members[4:]:
        target = tmp_path / "tree" / name.replace("Dataset_BUSI_with_GT", "Dataset_BUSI")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    fetch_local(sources.dataset("busi"), [tmp_path / "tree", first], [], Network())
    assert len(open_prepared(prepare("busi", (32, 32)))) == 4


def test_an_entry_without_its_folder_is_replaced_by_archive(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    whole = make.pack(tmp_path / "Dataset_BUSI.zip", make.busi_members(2, 1))
    fetch_local(sources.dataset("busi"), [whole], [], Network())
    known = sources.source("busi") or {}
    known["archives"][0].pop("folder")  # as earlier versions wrote it
    paths.write_json(paths.raw("busi") / sources.SOURCE, known)
    fetch_local(sources.dataset("busi"), [whole], [], Network())
    assert len((sources.source("busi") or {})["archives"]) == 1
