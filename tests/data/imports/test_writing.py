"""Writing an import: nothing overwritten, nothing lost, classes known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segkit import paths
from segkit.data import sources
from segkit.data.imports import annotations, matching, writing
from segkit.data.imports.classes import with_classes
from segkit.data.preparing.prepare import prepare
from segkit.data.store import PreparedSet, open_prepared
from segkit.errors import SegkitError, UsageError


def opened(name: str, size: tuple[int, int] = (40, 48)) -> PreparedSet:
    return open_prepared(prepare(name, size))


def save(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def indexed(path: Path, values: np.ndarray) -> Path:
    """A palette picture in which index 1 is black and index 2 is dark red."""
    picture = Image.fromarray(values, mode="P")
    picture.putpalette([255, 255, 255, 0, 0, 0, 40, 0, 0] + [9] * 759)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def bands(highest: int) -> np.ndarray:
    values = np.zeros((40, 48), np.uint8)
    values[5:9], values[20:30] = 1, highest
    return values


def of_classes(tmp_path: Path, make: SimpleNamespace) -> matching.Proposal:
    save(tmp_path / "img/a.png", make.encode(make.texture(1)))
    return matching.from_globs("x", str(tmp_path / "img"), str(tmp_path / "msk"), "classes")


def test_ids_that_look_alike_get_files_of_their_own(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    names = writing.file_names(["a/b", "a_b", "A_B", "..", "x" * 400, "x" * 400])
    assert names[:4] == ["a_b", "a_b-2", "A_B-3", ".."]
    assert len({name.lower() for name in names}) == 6
    assert max(map(len, names)) < 200
    rows = "id,image,mask\n"
    for k, name in enumerate(("a b", "a+b")):
        save(tmp_path / f"{k}.png", make.encode(make.texture(k)))
        save(tmp_path / f"{k}_m.png", make.encode(make.blob(at=k * 9)))
        rows += f"{name},{k}.png,{k}_m.png\n"
    table = save(tmp_path / "t.csv", rows.encode())
    writing.write(matching.from_csv("x", table), copy=True)
    found = opened("x")
    assert sorted(found.ids) == ["a b", "a+b"]
    assert not np.array_equal(found.images[0], found.images[1])
    assert not np.array_equal(found.masks[0], found.masks[1])


def test_a_failed_second_import_leaves_the_first(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    save(tmp_path / "img/a.png", make.encode(make.texture(1)))
    save(tmp_path / "msk/a.png", make.encode(make.blob()))
    first = matching.from_globs("x", str(tmp_path / "img"), str(tmp_path / "msk"))
    writing.write(first, copy=True)
    (tmp_path / "msk/a.png").unlink()
    with pytest.raises(OSError, match="No such file"):
        writing.write(first, copy=True)
    assert sources.fetched() == ["x"]
    assert len(opened("x")) == 1
    assert not list(paths.raw("x").glob(".incoming-*"))


def test_an_import_is_not_made_of_its_own_copies(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    save(tmp_path / "img/a.png", make.encode(make.texture(1)))
    save(tmp_path / "msk/a.png", make.encode(make.blob()))
    writing.write(matching.from_globs("x", str(tmp_path / "img"), str(tmp_path / "msk")), copy=True)
    inside = paths.raw("x") / "files"
    again = matching.from_globs("x", str(inside / "images"), str(inside / "masks"))
    with pytest.raises(SegkitError, match="its own copies"):
        writing.write(again)
    assert len(opened("x")) == 1


def test_a_palette_holds_indices_not_colours(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    indexed(tmp_path / "msk/a.png", bands(2))
    found = with_classes(of_classes(tmp_path, make), ["background", "duct", "stone"])
    writing.write(found)
    result = opened("x")
    assert result.classes == ("background", "duct", "stone")
    assert np.array_equal(result.masks[0], bands(2))
    assert np.array_equal(result.original_mask("a"), bands(2))


def test_classes_are_counted_and_255_is_none(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    save(tmp_path / "img/b.png", make.encode(make.texture(2)))
    save(tmp_path / "msk/a.png", make.encode(bands(3)))
    save(tmp_path / "msk/b.png", make.encode(bands(255)))
    found = with_classes(of_classes(tmp_path, make))
    assert found.classes == ("background", "class 1", "class 2", "class 3")
    assert "255" in found.notes[-1]
    writing.write(found)
    result = opened("x")
    assert list(result.ids) == ["a"]
    problem = result.manifest["problems"][0]
    assert (problem["id"], problem["kind"], problem["kept"]) == ("b", "unknown-class", False)


def test_undecided_pixels_may_be_background(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    save(tmp_path / "img/a.png", make.encode(make.texture(1)))
    values = bands(2)
    values[0] = 255
    indexed(tmp_path / "msk/a.png", values)
    found = matching.from_globs("x", str(tmp_path / "img"), str(tmp_path / "msk"), "classes_void")
    found = with_classes(found)
    assert (found.classes, found.notes) == (("background", "class 1", "class 2"), ())
    writing.write(found)
    assert np.array_equal(opened("x").masks[0], bands(2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (bands(255) * (bands(255) == 255), "0 and 255 only"),
        (np.full((40, 48), 300, np.uint16), "no mask can be read"),
        (np.dstack([bands(2), bands(2) * 0, bands(2)]), "no mask can be read"),
    ],
)
def test_masks_that_are_no_class_indices(
    home: Path, tmp_path: Path, make: SimpleNamespace, values: np.ndarray, message: str
) -> None:
    save(tmp_path / "msk/a.png", make.encode(values))
    with pytest.raises(UsageError, match=message):
        with_classes(of_classes(tmp_path, make))


def test_too_few_names_of_classes(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    save(tmp_path / "msk/a.png", make.encode(bands(3)))
    with pytest.raises(UsageError, match="class index 3"):
        with_classes(of_classes(tmp_path, make), ["background", "one", "two"])


# ---- annotations of strangers


def labelme(folder: Path, make: SimpleNamespace, name: str, **value: Any) -> None:
    save(folder / f"{name}.png", make.encode(make.texture(1)))
    shape = {"label": "cell", "points": [[5, 5], [25, 5], [25, 25], [5, 25]]}
    text = json.dumps({"imagePath": Path(name).name + ".png", "shapes": [shape], **value})
    save(folder / f"{name}.json", text.encode())


def test_labelme_without_size_with_points_and_names_that_clash(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    point = {"label": "mark", "points": [[3, 3]], "shape_type": "point"}
    square = {"label": "cell", "points": [[5, 5], [9, 5], [9, 9], [5, 9]], "shape_type": None}
    labelme(tmp_path, make, "sub/p", imageHeight=None, shapes=[point, square])
    labelme(tmp_path, make, "sub_p", imageHeight=40, imageWidth=48)
    found = annotations.from_labelme("x", tmp_path)
    assert found.classes == ("background", "cell")
    assert "1 points and lines" in found.notes[0]
    writing.write(found)
    result = opened("x")
    sums = {name: int(result.masks[k].sum()) for k, name in enumerate(result.ids)}
    assert sums == {"sub/p": 25, "sub_p": 21 * 21}


def test_coco_parts_that_overlap_add_up(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    shape = (40, 48)
    square = [5, 5, 15, 5, 15, 15, 5, 15]
    beside = [10, 5, 20, 5, 20, 15, 10, 15]
    mask = annotations._polygons([square, beside], shape)
    assert mask[10, 12]
    assert mask.sum() == 15 * 10  # pixels whose centres lie inside, as in pycocotools
    island = [[2, 2, 30, 2, 30, 30, 2, 30], [6, 6, 26, 6, 26, 26, 6, 26], square[:]]
    nested = annotations._polygons([*island[:2], [10, 10, 20, 10, 20, 20, 10, 20]], shape)
    assert (nested[4, 4], nested[8, 8], nested[15, 15]) == (True, False, True)
    assert annotations._polygons([square, square], shape).sum() == 10 * 10  # twice the same ring


@pytest.mark.parametrize(
    "value",
    [
        {"images": [{"id": 1}], "annotations": [], "categories": []},
        {"images": [3], "annotations": [], "categories": []},
        {"images": [], "annotations": [7], "categories": [{"id": 1, "name": "a"}]},
        {"images": [], "annotations": [], "categories": [{"name": "a"}]},
        {"images": 5, "annotations": [], "categories": []},
    ],
)
def test_odd_coco_files_are_one_line(tmp_path: Path, value: Any) -> None:
    file = save(tmp_path / "c.json", json.dumps(value).encode())
    with pytest.raises(SegkitError, match=r"c\.json is not understood"):
        annotations.from_coco("x", file)


def test_odd_coco_outlines_and_boxes(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    save(tmp_path / "a.png", make.encode(make.texture(1)))
    value = {
        "images": [{"id": 1, "file_name": "a.png", "height": 40, "width": 48}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}],
    }
    file = save(tmp_path / "c.json", json.dumps(value).encode())
    found = annotations.from_coco("x", file)
    assert "1 annotations have no outline" in found.notes[0]
    value["annotations"][0]["segmentation"] = [["a", "b", "c", "d", "e", "f"]]
    save(file, json.dumps(value).encode())
    with pytest.raises(SegkitError, match="annotation of a is not understood"):
        writing.write(annotations.from_coco("x", file))
    assert sources.fetched() == []


# ---- pairing


def test_prefixes_of_pictures_and_masks(tmp_path: Path, make: SimpleNamespace) -> None:
    for k in ("001", "002"):
        save(tmp_path / f"i/image_{k}.png", make.encode(make.texture(1)))
        save(tmp_path / f"m/mask_{k}.png", make.encode(make.blob()))
    found = matching.from_globs("x", str(tmp_path / "i"), str(tmp_path / "m"))
    assert [pair.id for pair in found.complete] == ["image_001", "image_002"]
    assert not found.single


def test_two_pictures_of_one_name_are_named(tmp_path: Path, make: SimpleNamespace) -> None:
    for name in ("i/x.png", "i/x.bmp", "m/x.png"):
        save(tmp_path / name, make.encode(make.texture(1)))
    with pytest.raises(SegkitError, match="two pictures are called 'x'"):
        matching.from_globs("x", str(tmp_path / "i"), str(tmp_path / "m"))


def test_tables_with_double_ids_or_absent_files(tmp_path: Path, make: SimpleNamespace) -> None:
    save(tmp_path / "a.png", make.encode(make.texture(1)))
    twice = save(tmp_path / "t.csv", b"image,mask\na.png,a.png\na.png,b.png\n")
    with pytest.raises(UsageError, match="1 ids twice: first 'a'"):
        matching.from_csv("x", twice)
    some = save(tmp_path / "t.csv", b"id,image,mask\na,a.png,a.png\nb,gone.png,a.png\n")
    assert matching.from_csv("x", some).notes == ("files of 1 rows do not exist, first 'b'",)
    none = save(tmp_path / "t.csv", b"id,image,mask\nb,gone.png,a.png\n")
    with pytest.raises(UsageError, match="names no file that exists"):
        matching.from_csv("x", none)
    latin = save(tmp_path / "t.csv", "image,mask\nä.png,a.png\n".encode("latin-1"))
    with pytest.raises(SegkitError, match="not UTF-8"):
        matching.from_csv("x", latin)
