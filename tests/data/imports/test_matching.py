"""Any folder becomes a dataset; nothing is written before the pairs are known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from segkit import paths
from segkit.data import sources
from segkit.data.imports import annotations, matching, writing
from segkit.data.imports.classes import with_classes
from segkit.data.imports.matching import Proposal
from segkit.data.preparing.prepare import prepare
from segkit.data.splitting.splits import make_split
from segkit.data.store import PreparedSet, open_prepared
from segkit.errors import SegkitError, UsageError


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def prepared(
    proposal: Proposal, size: tuple[int, int] = (40, 48), copy: bool = False
) -> PreparedSet:
    writing.write(proposal, copy)
    return open_prepared(prepare(proposal.name, size))


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a_mask.png"),
        ("a.png", "a_segmentation.png"),
        ("a.png", "mask_a.png"),
        ("a_image.png", "a_label.png"),
        ("a (1).png", "a (1)_mask.png"),
        ("a.tif", "a.png"),
        ("scan_01.png", "scan_01_gt.png"),
        ("01_test.tif", "01_manual1.gif"),  # DRIVE
        ("21_training.tif", "21_manual1.png"),
    ],
)
def test_names_that_belong_together(
    home: Path, tmp_path: Path, make: SimpleNamespace, image: str, mask: str
) -> None:
    picture = make.encode(make.texture(1))
    put(tmp_path / "d", {f"img/{image}": picture, f"msk/{mask}": make.encode(make.blob())})
    put(tmp_path / "d", {"img/other.png": picture})
    found = matching.from_globs("x", str(tmp_path / "d/img"), str(tmp_path / "d/msk/*"))
    assert len(found.complete) == 1
    assert Path(str(found.complete[0].image)).name == image
    assert [pair.id for pair in found.single] == ["other"]


def test_globs_of_one_folder_and_several_masks(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    folder = put(
        tmp_path / "scans",
        {
            "p1.png": make.encode(make.texture(1)),
            "p1_mask.png": make.encode(make.blob()),
            "p1_mask_1.png": make.encode(make.blob(at=14)),
            "p2.png": make.encode(make.texture(2)),
            "p2_mask.png": make.encode(make.blob()),
        },
    )
    found = matching.from_globs("ward3", str(folder / "*.png"), str(folder / "*_mask*.png"))
    assert "match both patterns" in found.notes[0]
    result = prepared(found)
    assert result.ids == ["p1", "p2"]
    assert result.masks[0].sum() == 30 * 20  # the union of rows 8-24 and 22-38
    assert sources.fetched() == ["ward3"]
    assert sources.dataset("ward3").counts == {"all": 2}
    assert str(folder) in result.items[0]["image"]


def test_copying_makes_the_set_stand_alone(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    folder = put(
        tmp_path / "s",
        {"a b.png": make.encode(make.texture(1)), "m/a b.png": make.encode(make.blob())},
    )
    result = prepared(matching.from_globs("x", str(folder / "*.png"), str(folder / "m")), copy=True)
    for file in folder.rglob("*.png"):
        file.unlink()
    image, mask = result.original("a b")
    assert image.shape == (40, 48, 3)
    assert mask.sum() == 320


def test_equal_names_in_sibling_folders(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    files = {}
    for person in ("anna", "bert"):
        for k in range(2):
            files[f"{person}/images/{k}.png"] = make.encode(make.texture(k))
            files[f"{person}/masks/{k}.png"] = make.encode(make.blob())
    folder = put(tmp_path / "s", files)
    found = matching.from_globs("x", str(folder / "*/images/*"), str(folder / "*/masks/*"))
    assert [pair.id for pair in found.complete] == ["anna/0", "anna/1", "bert/0", "bert/1"]


def test_csv(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    put(
        tmp_path,
        {
            "1.png": make.encode(make.texture(1)),
            "2.png": make.encode(make.texture(2)),
            "m1.png": make.encode(make.blob()),
            "m2.png": make.encode(make.blob(at=14)),
        },
    )
    (tmp_path / "t.csv").write_text(
        "id,image,mask,part,group,class\none,1.png,m1.png;m2.png,train,kid,x\ntwo,2.png,m1.png,test,,y\n"
    )
    result = prepared(matching.from_csv("x", tmp_path / "t.csv"))
    assert result.item("one")["group"] == "kid"
    assert result.item("two")["cls"] == "y"
    assert result.item("two")["part"] == "test"
    assert result.masks[0].sum() > result.masks[1].sum()
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="columns 'image' and 'mask'"):
        matching.from_csv("x", tmp_path / "bad.csv")


def test_the_seven_to_three_tree_in_circulation(
    home: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    files = {}
    for part, count in (("train", 7), ("val", 3)):
        for k in range(count):
            files[f"isic17/{part}/images/{k}.png"] = make.encode(make.texture(100 * count + k))
            files[f"isic17/{part}/masks/{k}.png"] = make.encode(make.blob())
    found = matching.from_parts("isic17", put(tmp_path, files))
    assert "'val' is taken as the official test part" in found.notes[0]
    result = prepared(found)
    made = make_split(result, split="official")
    (fold,) = made.folds
    assert len(fold.test) == 3
    assert len(fold.train) + len(fold.val) == 7
    assert "val/0" in fold.test  # the numbers restart, so ids carry the part
    with pytest.raises(UsageError, match="no train/val tree"):
        matching.from_parts("x", tmp_path / "isic17" / "train" / "images")


SQUARE_WITH_HOLE = [[5, 5, 25, 5, 25, 25, 5, 25], [10, 10, 20, 10, 20, 20, 10, 20]]


def coco(tmp_path: Path, make: SimpleNamespace, segmentation: object) -> Path:
    put(tmp_path, {"pics/a.png": make.encode(make.texture(1))})
    value = {
        "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 48}],
        "categories": [{"id": 3, "name": "cell"}, {"id": 9, "name": "debris"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 9, "segmentation": segmentation},
            {"id": 2, "image_id": 8, "category_id": 9, "segmentation": []},
        ],
    }
    (tmp_path / "c.json").write_text(json.dumps(value))
    return tmp_path / "c.json"


def test_coco_polygons_keep_their_holes(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    file = coco(tmp_path, make, SQUARE_WITH_HOLE)
    found = annotations.from_coco("x", file, tmp_path / "pics")
    assert found.classes == ("background", "cell", "debris")
    assert "1 annotations name pictures" in found.notes[0]
    result = prepared(found)
    mask = result.masks[0]
    assert set(np.unique(mask)) == {0, 2}
    assert mask[7, 7] == 2
    assert mask[15, 15] == 0
    assert mask[30, 30] == 0
    assert result.classes == ("background", "cell", "debris")


def test_coco_run_lengths(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    truth = np.zeros((40, 48), np.uint8)
    truth[3:9, 20:31] = 1
    flat = truth.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    found = annotations.from_coco(
        "x", coco(tmp_path, make, {"size": [40, 48], "counts": runs}), tmp_path / "pics"
    )
    assert np.array_equal(prepared(found).masks[0], truth * 2)
    text = compress(runs)
    found = annotations.from_coco(
        "y", coco(tmp_path, make, {"size": [40, 48], "counts": text}), tmp_path / "pics"
    )
    assert np.array_equal(prepared(found).masks[0], truth * 2)
    short = coco(tmp_path, make, {"size": [40, 48], "counts": [10, 5]})
    with pytest.raises(SegkitError, match="does not fit its picture"):
        writing.write(annotations.from_coco("z", short, tmp_path / "pics"))
    assert "z" not in sources.fetched()


def compress(runs: list[int]) -> str:
    """COCO's text form: differences from the count before last, 5 bits a character."""
    text = ""
    for k, run in enumerate(runs):
        value, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


def test_labelme(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    put(tmp_path, {"a.png": make.encode(make.texture(1)), "b.png": make.encode(make.texture(2))})
    shapes = [
        {
            "label": "vessel",
            "points": [[5, 5], [25, 5], [25, 25], [5, 25]],
            "shape_type": "polygon",
        },
        {"label": "disc", "points": [[35, 20], [40, 20]], "shape_type": "circle"},
        {"label": "vessel", "points": [[30, 30], [40, 36]], "shape_type": "rectangle"},
    ]
    for name in ("a", "b"):
        value = {"imagePath": f"{name}.png", "imageHeight": 40, "imageWidth": 48, "shapes": shapes}
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    found = annotations.from_labelme("x", tmp_path)
    assert found.classes == ("background", "disc", "vessel")
    result = prepared(found)
    assert (result.masks[0][10, 10], result.masks[0][20, 35], result.masks[0][33, 35]) == (2, 1, 2)
    shapes[0]["shape_type"] = "spiral"
    (tmp_path / "a.json").write_text(
        json.dumps({"imagePath": "a.png", "imageHeight": 40, "imageWidth": 48, "shapes": shapes})
    )
    with pytest.raises(SegkitError, match="spiral"):
        writing.write(annotations.from_labelme("y", tmp_path))


def test_sixteen_bit_and_class_masks(home: Path, tmp_path: Path, make: SimpleNamespace) -> None:
    wide = np.linspace(0, 65535, 40 * 48).reshape(40, 48).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    values = np.zeros((40, 48), np.uint8)
    values[5:9] = 3
    cv2.imwrite(str(tmp_path / "a_mask.png"), values)
    found = matching.from_globs(
        "x", str(tmp_path / "a.png"), str(tmp_path / "*_mask.png"), "classes"
    )
    result = prepared(with_classes(found))
    assert set(np.unique(result.masks[0])) == {0, 3}
    assert result.images[0].max() == 255
    assert np.array_equal(result.images[0][..., 0], result.images[0][..., 2])


def test_names_and_patterns_that_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="catalogue"):
        matching.check_name("busi")
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(UsageError, match="dataset name"):
            matching.check_name(name)
    with pytest.raises(UsageError, match="matches no file"):
        matching.from_globs("x", str(tmp_path / "*.png"), str(tmp_path / "*.png"))
    assert not paths.raw("x").exists()
