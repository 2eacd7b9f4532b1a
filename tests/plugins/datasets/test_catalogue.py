"""The catalogue as data, and the pairing rule of each set on a small tree of its official
layout.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segkit import plugins
from segkit.api import Dataset, resolve
from segkit.data.images import decoder
from segkit.data.pairing import Pair

PUBLIC = ("isic2016", "isic2017", "isic2018", "ph2", "busi", "bkai", "dsb2018", "fives", "chase")


@pytest.mark.parametrize("name", PUBLIC)
def test_entries_are_complete(name: str) -> None:
    value: Dataset = plugins.get("datasets", name)
    assert value.licence
    assert value.terms
    assert value.citation
    assert value.page.startswith("https://") or value.login  # no address is made up
    assert value.counts
    assert len(value.classes) >= 2
    assert value.defects
    assert callable(resolve(value.pair)) if value.pair else False
    for archive in value.archives:
        re.compile(archive.members)
        assert archive.members
        assert archive.urls or value.login
        assert archive.hash is None or re.fullmatch(
            "sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", archive.hash
        )
    assert {*value.default_parts} <= {archive.part for archive in value.archives}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("isic2016", {"train": 900, "test": 379}),
        ("isic2017", {"train": 2000, "val": 150, "test": 600}),
        ("isic2018", {"train": 2594, "val": 100, "test": 1000}),
        ("busi", {"benign": 437, "malignant": 210, "normal": 133}),
        ("fives", {"train": 600, "test": 200}),
        ("chase", {"train": 20, "test": 8}),
    ],
)
def test_official_counts(name: str, counts: dict[str, int]) -> None:
    assert dict(plugins.get("datasets", name).counts) == counts


def test_isic_has_a_second_address_per_archive() -> None:
    for name in ("isic2016", "isic2017", "isic2018"):
        for archive in plugins.get("datasets", name).archives:
            hosts = [url.split("/")[2] for url in archive.urls]
            assert hosts == [
                "isic-archive.s3.amazonaws.com",
                "isic-challenge-data.s3.amazonaws.com",
            ]


def pairs(root: Path, name: str, files: dict[str, list[str]], **options: str) -> list[Pair]:
    """The pairing rule over empty files, laid out as `fetch` leaves them."""
    folders = []
    for archive, members in files.items():
        folder = f"files/{archive}/{archive}"
        folders.append(folder)
        for member in members:
            path = root / folder / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (root / "source.json").write_text(json.dumps({"folders": folders}))
    found: list[Pair] = resolve(plugins.get("datasets", name).pair)(root, options)
    return found


def names(pair: Pair) -> list[str]:
    return [mask.rsplit("/", 1)[1] for mask in pair.masks]


def test_isic_never_takes_superpixels_or_attributes(tmp_path: Path) -> None:
    found = pairs(
        tmp_path,
        "isic2018",
        {
            "ISIC2018_Task1-2_Training_Input": [
                "x/ISIC_0000001.jpg",
                "x/ISIC_0000001_superpixels.png",
            ],
            "ISIC2018_Task1_Training_GroundTruth": [
                "x/ISIC_0000001_segmentation.png",
                "x/ISIC_0000001_attribute_globules.png",
                "x/ISIC_0000002_Segmentation.PNG",
            ],
            "ISIC2018_Task1-2_Test_Input": ["ISIC_0000009.jpg"],
            "ISIC2018_Task1_Test_GroundTruth": ["ISIC_0000009_segmentation.png"],
        },
    )
    by_id = {pair.id: pair for pair in found}
    assert names(by_id["ISIC_0000001"]) == ["ISIC_0000001_segmentation.png"]
    assert by_id["ISIC_0000002"].image is None
    assert by_id["ISIC_0000009"].part == "test"


def test_isic2016_ids_that_are_in_both_parts_carry_the_part(tmp_path: Path) -> None:
    both = "ISIC_0001184"
    found = pairs(
        tmp_path,
        "isic2016",
        {
            "ISBI2016_ISIC_Part1_Training_Data": [f"{both}.jpg"],
            "ISBI2016_ISIC_Part1_Training_GroundTruth": [f"{both}_Segmentation.png"],
            "ISBI2016_ISIC_Part1_Test_Data": [f"{both}.jpg"],
            "ISBI2016_ISIC_Part1_Test_GroundTruth": [f"{both}_Segmentation.png"],
        },
    )
    assert [(pair.id, pair.part) for pair in found] == [(both, "train"), (f"test/{both}", "test")]
    assert all(names(pair) for pair in found)


def test_ph2_takes_the_lesion_and_the_diagnosis(tmp_path: Path) -> None:
    top = "PH2Dataset/PH2 Dataset images/IMD002"
    files = {
        "PH2Dataset": [
            f"{top}/IMD002_Dermoscopic_Image/IMD002.bmp",
            f"{top}/IMD002_lesion/IMD002_lesion.bmp",
            f"{top}/IMD002_roi/IMD002_R1_Label4.bmp",
            f"{top}/IMD002_lesion/IMD002_lesion.jpg",
            "PH2Dataset/PH2_dataset.txt",
        ]
    }
    pairs(tmp_path, "ph2", files)
    table = tmp_path / "files/PH2Dataset/PH2Dataset/PH2Dataset/PH2_dataset.txt"
    table.write_text(
        "|| Name || Histological Diagnosis || Clinical Diagnosis ||\n|| IMD002 ||  || 2 || 1 ||\n"
    )
    (found,) = pairs(tmp_path, "ph2", files)
    assert names(found) == ["IMD002_lesion.bmp"]
    assert (found.id, found.cls, found.decode) == ("IMD002", "melanoma", "half_max")


def test_busi_takes_all_masks_of_a_picture_once(tmp_path: Path) -> None:
    top = "Dataset_BUSI_with_GT"
    files = {
        "Dataset_BUSI": [
            f"{top}/benign/benign (195){end}.png" for end in ("", "_mask", "_mask_1", "_mask_2")
        ]
        + [f"{top}/benign/benign (19).png", f"{top}/benign/benign (19)_mask.png"]
        + [f"{top}/normal/normal (1).png", f"{top}/normal/normal (1)_mask.png"]
    }
    found = {pair.id: pair for pair in pairs(tmp_path, "busi", files)}
    assert sorted(found) == ["benign (19)", "benign (195)", "normal (1)"]
    assert len(found["benign (195)"].masks) == 3
    assert found["normal (1)"].cls == "normal"
    dropped = pairs(tmp_path, "busi", files, normal="drop")
    assert sorted(pair.id for pair in dropped) == ["benign (19)", "benign (195)"]


@pytest.mark.parametrize("doubled", [True, False])
def test_bkai_folders_once_or_twice(tmp_path: Path, doubled: bool) -> None:
    one, two = "a" * 32, "b" * 32

    def at(folder: str, name: str) -> str:
        return f"{folder}/{folder}/{name}.jpeg" if doubled else f"{folder}/{name}.jpeg"

    files = {"bkai-igh-neopolyp": [at("train", one), at("train_gt", one), at("test", two)]}
    found = pairs(tmp_path, "bkai", files, mask_rule="rgb")
    assert [(pair.id, pair.part, pair.unlabelled) for pair in found] == [
        (one, "train", False),
        (two, "test", True),
    ]
    assert found[0].decode == "segkit_datasets.colours:rgb"


def colour(*rgb: int) -> Any:
    return np.full((2, 2, 3), rgb, np.uint8)


@pytest.mark.parametrize(
    ("rgb", "by_rgb", "by_hsv"),
    [
        ((255, 0, 0), 2, 2),
        ((253, 1, 0), 2, 2),
        ((0, 255, 0), 1, 1),
        ((0, 1, 0), 0, 0),
        ((0, 0, 0), 0, 0),
        ((100, 0, 0), 0, 2),  # the dark rim that JPEG leaves: only the HSV window keeps it
        ((255, 255, 0), 0, 0),
        ((255, 255, 255), 0, 0),
        ((0, 0, 255), 0, 0),
    ],
)
def test_bkai_colours(rgb: tuple[int, int, int], by_rgb: int, by_hsv: int) -> None:
    for rule, expected in (("rgb", by_rgb), ("hsv", by_hsv)):
        mask = decoder(f"segkit_datasets.colours:{rule}")([colour(*rgb)])
        assert (mask == expected).all()
        assert mask.dtype == np.uint8


def test_dsb2018_unites_the_nuclei_of_both_layouts(tmp_path: Path) -> None:
    one, two = "a" * 64, "b" * 64
    files = {
        "stage1_train": [
            f"{one}/images/{one}.png",
            f"{one}/masks/{'1' * 64}.png",
            f"{one}/masks/{'2' * 64}.png",
            f"stage1_train/{two}/images/{two}.png",
            f"stage1_train/{two}/masks/{'3' * 64}.png",
        ],
        "kaggle-dsbowl-2018-dataset-fixes-master": [
            f"top/stage1_train/{two}/images/{two}.png",
            f"top/stage1_train/{two}/masks/{'4' * 64}.png",
        ],
    }
    found = pairs(tmp_path, "dsb2018", files)
    assert [(pair.id, len(pair.masks)) for pair in found] == [(one, 2), (two, 1)]
    fixed = pairs(tmp_path, "dsb2018", files, variant="fixed")
    assert [names(pair) for pair in fixed] == [["4" * 64 + ".png"]]


def test_fives_ids_carry_the_part(tmp_path: Path) -> None:
    top = "FIVES A Fundus Image Dataset for AI-based Vessel Segmentation"
    files = {
        "FIVES": [
            f"{top}/{part}/{folder}/10_A.png"
            for part in ("train", "test")
            for folder in ("Original", "Ground truth")
        ]
    }
    found = pairs(tmp_path, "fives", files)
    assert [(pair.id, pair.part, pair.cls) for pair in found] == [
        ("train/10_A", "train", "amd"),
        ("test/10_A", "test", "amd"),
    ]
    assert all("Ground truth" in pair.masks[0] for pair in found)


def test_chase_children_are_groups_and_observers_an_option(tmp_path: Path) -> None:
    files = {
        "CHASEDB1": [
            f"Image_{child:02d}{eye}{end}"
            for child in (1, 10, 11)
            for eye in "LR"
            for end in (".jpg", "_1stHO.png", "_2ndHO.png")
        ]
    }
    found = pairs(tmp_path, "chase", files)
    assert [(pair.id, pair.part, pair.group) for pair in found[:2]] == [
        ("Image_01L", "train", "child-01"),
        ("Image_01R", "train", "child-01"),
    ]
    assert [pair.part for pair in found] == ["train"] * 4 + ["test"] * 2
    assert names(found[0]) == ["Image_01L_1stHO.png"]
    assert names(pairs(tmp_path, "chase", files, observer="2")[0]) == ["Image_01L_2ndHO.png"]


def test_pictures_without_a_partner_stay_in_the_list(tmp_path: Path) -> None:
    found = pairs(tmp_path, "chase", {"CHASEDB1": ["Image_01L.jpg", "Image_02L_1stHO.png"]})
    assert [(pair.image is None, len(pair.masks)) for pair in found] == [(False, 0), (True, 1)]
