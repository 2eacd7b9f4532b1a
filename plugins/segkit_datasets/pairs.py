"""Which mask belongs to which picture, set by set. Files are found by base name, however deep they
lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from segkit.data.pairing import Pair, by_key, has_folder, join, raw_files

ISIC_STEMS = {
    "2016": {
        "train": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
        "test": ("ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"),
    },
    "2017": {
        "train": ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
        "val": ("ISIC-2017_Validation_Data", "ISIC-2017_Validation_Part1_GroundTruth"),
        "test": ("ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part1_GroundTruth"),
    },
    "2018": {
        "train": ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
        "val": ("ISIC2018_Task1-2_Validation_Input", "ISIC2018_Task1_Validation_GroundTruth"),
        "test": ("ISIC2018_Task1-2_Test_Input", "ISIC2018_Task1_Test_GroundTruth"),
    },
}
Options = Mapping[str, str]


def isic2016(root: Path, options: Options) -> list[Pair]:
    """ISIC 2016, task 1."""
    return _isic(root, "2016")


def isic2017(root: Path, options: Options) -> list[Pair]:
    """ISIC 2017, part 1."""
    return _isic(root, "2017")


def isic2018(root: Path, options: Options) -> list[Pair]:
    """ISIC 2018, task 1."""
    return _isic(root, "2018")


def _isic(root: Path, year: str) -> list[Pair]:
    """By the 7-digit id. An id that a later part repeats (two of 2016) carries its part."""
    pairs: dict[str, Pair] = {}
    for part, (images, masks) in ISIC_STEMS[year].items():
        pictures = by_key(raw_files(root, images), r"(ISIC_\d{7})\.jpe?g")
        truths = by_key(raw_files(root, masks), r"(ISIC_\d{7})_segmentation\.png")
        for pair in join(pictures, truths, part=part):
            name = f"{part}/{pair.id}" if pair.id in pairs else pair.id
            pairs[name] = replace(pair, id=name)
    return list(pairs.values())


def ph2(root: Path, options: Options) -> list[Pair]:
    """PH2: the 1-bit lesion BMP, never the colour regions (`_roi`)."""
    names = raw_files(root)
    pictures = by_key(names, r"(IMD\d{3})\.bmp")
    lesions = by_key(names, r"(IMD\d{3})_lesion\.bmp")
    diagnoses = _ph2_diagnoses(root, names)
    return [
        replace(pair, decode="half_max", cls=diagnoses.get(pair.id))
        for pair in join(pictures, lesions)
    ]


def _ph2_diagnoses(root: Path, names: list[str]) -> dict[str, str]:
    """The clinical diagnosis of PH2_dataset.txt, where that table is there."""
    kinds = {"0": "common-nevus", "1": "atypical-nevus", "2": "melanoma"}
    found = {}
    for name in names:
        if not name.lower().endswith("ph2_dataset.txt"):
            continue
        for line in (root / name).read_text(encoding="utf-8", errors="replace").splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("||")]
            if len(cells) > 2 and re.fullmatch(r"IMD\d{3}", cells[0]) and cells[2] in kinds:
                found[cells[0]] = kinds[cells[2]]
    return found


def busi(root: Path, options: Options) -> list[Pair]:
    """BUSI: the union of all masks of a picture; the class is in the name."""
    names = raw_files(root)
    kind = r"((?:benign|malignant|normal) \(\d+\))"
    pictures, masks = by_key(names, kind + r"\.png"), by_key(names, kind + r"_mask(?:_\d+)?\.png")
    pairs = [replace(pair, cls=pair.id.split(" ")[0].lower()) for pair in join(pictures, masks)]
    return [pair for pair in pairs if pair.cls != "normal" or options.get("normal") != "drop"]


def bkai(root: Path, options: Options) -> list[Pair]:
    """BKAI-IGH NeoPolyp: colour-coded JPEG masks; the test pictures have none."""
    names = raw_files(root)
    key = r"([0-9a-f]{32})\.jpe?g"
    masks = by_key([n for n in names if has_folder(n, "train_gt")], key)
    test = by_key([n for n in names if has_folder(n, "test")], key)
    taken = ("train_gt", "test")
    train = by_key([n for n in names if has_folder(n, "train") and not has_folder(n, *taken)], key)
    rule = f"segkit_datasets.colours:{options.get('mask_rule', 'hsv')}"
    labelled = [replace(pair, decode=rule) for pair in join(train, masks, part="train")]
    return labelled + join(test, {}, part="test", unlabelled=True)


def dsb2018(root: Path, options: Options) -> list[Pair]:
    """DSB2018: a folder per picture, one mask file per nucleus."""
    fixed = options.get("variant") == "fixed"
    names = raw_files(root, "kaggle-dsbowl-2018-dataset-fixes-master" if fixed else "stage1_train")
    pictures: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in names:
        found = re.search(r"(?:^|/)([0-9a-f]{64})/(images|masks)/[^/]+\.png$", name, re.IGNORECASE)
        if found:
            side = pictures if found[2].lower() == "images" else masks
            side.setdefault(found[1], []).append(name)
    return join(pictures, masks)


def fives(root: Path, options: Options) -> list[Pair]:
    """FIVES: numbers restart in the test part, so ids carry the part."""
    kinds = {"A": "amd", "D": "diabetic-retinopathy", "G": "glaucoma", "N": "healthy"}
    names, pairs = raw_files(root), []
    for part in ("train", "test"):
        mine = [name for name in names if has_folder(name, part)]
        pictures = [name for name in mine if has_folder(name, "original", "inputs")]
        truths = [name for name in mine if has_folder(name, "ground truth", "targets")]
        key = r"(\d+_[ADGN])\.png"
        for pair in join(by_key(pictures, key), by_key(truths, key), part=part, prefix=f"{part}/"):
            pairs.append(replace(pair, cls=kinds[pair.id[-1].upper()]))
    return pairs


def chase(root: Path, options: Options) -> list[Pair]:
    """CHASE_DB1: children 1-10 train, 11-14 test; both eyes of a child are one group."""
    names = raw_files(root)
    observer = {"1": "1st", "2": "2nd"}[options.get("observer", "1")]
    pictures = by_key(names, r"(Image_\d{2}[LR])\.jpe?g")
    truths = by_key(names, rf"(Image_\d{{2}}[LR])_{observer}HO\.png")
    pairs = []
    for pair in join(pictures, truths):
        child = int(pair.id[6:8])
        part = "train" if child <= 10 else "test"
        pairs.append(replace(pair, part=part, group=f"child-{child:02d}"))
    return pairs
