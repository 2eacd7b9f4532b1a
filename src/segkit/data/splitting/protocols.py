"""The published split rules, each with its source. A protocol is one named object: split rule,
size, selection, scoring.

Plain data; `segkit.data.splitting.splits` carries the rules out.
"""

from __future__ import annotations

from typing import Any

from segkit import plugins
from segkit.api import EvaluationProtocol as Protocol
from segkit.api import SplitRule as Rule
from segkit.recipe import DataRecipe

OFFICIAL = Rule("official", val=0.1, keeps_groups=True)
OFFICIAL_AS_PUBLISHED = Rule("official")
_EGE = (
    "MALUNet (BIBM 2022) and EGE-UNet (MICCAI 2023): one random split, its id list was never "
    "published as text; "
    "with their archive at hand use: segkit data import NAME --layout train-val-folders"
)

_ALL = (
    Protocol(
        "official",
        "The publisher's own parts; a tenth of the training part validates where no validation "
        "part exists.",
        "the dataset's publisher",
        {},
        OFFICIAL,
    ),
    Protocol(
        "qtseg",
        "Ids sorted as text, consecutive slices, the remainder always in training; the best "
        "checkpoint is chosen on "
        "the reported part.",
        "QTSeg, arXiv 2412.17241, released code",
        {
            "isic2016": OFFICIAL_AS_PUBLISHED,
            "isic2017": OFFICIAL_AS_PUBLISHED,
            "isic2018": OFFICIAL_AS_PUBLISHED,
            "fives": OFFICIAL_AS_PUBLISHED,
            "busi": Rule("slices", folds=5, drop=("normal",), by_class=True, total=647),
            "bkai": Rule("slices", folds=5, pool=("train",), total=1000),
            "dsb2018": Rule("slices", folds=5, total=670),
        },
        Rule("slices", folds=5),
        size=(512, 512),
        sizes={"fives": (1024, 1024)},
        resize="letterbox",
        selection="test",
        scoring="qtseg",
    ),
    Protocol(
        "vmpanet",
        "Fixed counts in the ratio 7:3 of training plus validation part; ids sorted, shuffled "
        "with the seed; a fifth of "
        "the training side validates; PH2 whole as external test.",
        "VMPANet, after MALUNet and EGE-UNet",
        {
            "isic2017": Rule(
                "counts", (1500, 650), order="seeded", pool=("train", "val"), val=0.2, total=2150
            ),
            "isic2018": Rule(
                "counts", (1886, 808), order="seeded", pool=("train", "val"), val=0.2, total=2694
            ),
            "ph2": Rule("all-test"),
        },
        Rule("ratio", (7, 3), order="seeded", val=0.2),
        size=(256, 256),
        scoring="vmpanet",
        note=_EGE,
    ),
    Protocol(
        "dermomamba",
        "520 of the 2594 training pictures of ISIC 2018 are held out at seed 257; the best "
        "checkpoint is chosen on them.",
        "DermoMamba, released code: train_test_split(test_size=520, random_state=257); the order "
        "of its array is unknown, "
        "sorted ids are the natural guess",
        {
            "isic2018": Rule(
                "counts",
                (2074, 520),
                order="seeded",
                seed=257,
                test_first=True,
                pool=("train",),
                total=2594,
            ),
            "ph2": Rule("all-test"),
        },
        Rule("ratio", (2074, 520), order="seeded", seed=257, test_first=True),
        size=(192, 256),
        selection="test",
        scoring="dermomamba",
    ),
    Protocol(
        "eamnet",
        "Five folds of a list that is shuffled once; a fold's slice is tested, the tenth that "
        "follows in cyclic order "
        "validates.",
        "EAM-Net, arXiv 2512.07275; the published folds are unknown, this is the nearest fixed "
        "form",
        {
            "isic2018": Rule(
                "cyclic", folds=5, order="seeded", pool=("train",), val_count=(1, 10), total=2594
            ),
            "ph2": Rule("cyclic", folds=5, order="seeded", val_count=(8, 100), total=200),
        },
        Rule("cyclic", folds=5, order="seeded", val_count=(1, 10)),
        size=(224, 320),
        scoring="eamnet",
    ),
    Protocol(
        "ph2-cv",
        "PH2 in five folds of 40, 16 of the rest validate.",
        "EAM-Net, arXiv 2512.07275; the published split is unknown",
        {"ph2": Rule("cyclic", folds=5, order="seeded", val_count=(8, 100), total=200)},
        size=(224, 320),
        scoring="eamnet",
    ),
    Protocol(
        "ph2-transfer",
        "All of PH2 is tested with a network that was trained elsewhere.",
        "VMPANet and EAM-Net",
        {"ph2": Rule("all-test", total=200)},
        scoring="eamnet",
    ),
    Protocol(
        "malunet",
        "ISIC 2017 as 1500/650 and ISIC 2018 as 1886/808; their best checkpoint is chosen on the "
        "reported part.",
        _EGE,
        {
            "isic2017": Rule(
                "counts", (1500, 650), order="seeded", pool=("train", "val"), total=2150
            ),
            "isic2018": Rule(
                "counts", (1886, 808), order="seeded", pool=("train", "val"), total=2694
            ),
        },
        size=(256, 256),
        selection="test",
    ),
    Protocol(
        "bcdunet",
        "ISIC 2017 as 1250/150/600 and ISIC 2018 as 1815/259/520: slices of the sorted training "
        "part.",
        "BCDU-Net (ICCVW 2019), H-vmunet, UltraLight VM-UNet; they slice an unsorted directory "
        "listing, sorted ids are "
        "the closest fixed form",
        {
            "isic2017": Rule("counts", (1250, 150, 600), pool=("train",), total=2000),
            "isic2018": Rule("counts", (1815, 259, 520), pool=("train",), total=2594),
        },
    ),
    Protocol(
        "emcad",
        "80:10:10 at random, the official parts of ISIC 2017.",
        "EMCAD (CVPR 2024)",
        {"isic2017": OFFICIAL},
        Rule("ratio", (80, 10, 10), order="seeded"),
    ),
    Protocol(
        "tmunet",
        "ISIC 2017 training part as 1400/200/400.",
        "TMUnet (MICCAI PRIME 2022); the list is not published",
        {"isic2017": Rule("counts", (1400, 200, 400), order="seeded", pool=("train",), total=2000)},
    ),
    Protocol(
        "mscanet",
        "ISIC 2016: 800 of the 900 train and 100 validate at random, official test part.",
        "MSCA-Net (Pattern Recognition 2023)",
        {"isic2016": Rule("official", val=1 / 9)},
    ),
    Protocol(
        "ukan",
        "BUSI 80:20 at random_state 2981, selected on the reported part.",
        "U-KAN (AAAI 2025), released code",
        {
            "busi": Rule(
                "ratio",
                (80, 20),
                order="seeded",
                seed=2981,
                test_first=True,
                drop=("normal",),
                total=647,
            )
        },
        selection="test",
    ),
    Protocol(
        "unetpp",
        "DSB2018 80:20 at random_state 41, 96x96, selected on the reported part.",
        "the widely copied public UNet++ code",
        {"dsb2018": Rule("ratio", (80, 20), order="seeded", seed=41, test_first=True, total=670)},
        size=(96, 96),
        selection="test",
    ),
)

PROTOCOLS: dict[str, Protocol] = {item.name: item for item in _ALL}  # ours
# each under a name of its own, for its entry point
(
    OFFICIAL_PARTS,
    QTSEG,
    VMPANET,
    DERMOMAMBA,
    EAMNET,
    PH2_CV,
    PH2_TRANSFER,
    MALUNET,
    BCDUNET,
    EMCAD,
    TMUNET,
    MSCANET,
    UKAN,
    UNETPP,
) = _ALL


def protocol(name: str) -> Protocol:
    """A protocol by name, of any distribution."""
    found: Protocol = plugins.get("protocols", name)
    return found


def known() -> dict[str, Protocol]:
    """Ours in their order, then those of other distributions that can be loaded."""
    rows = [row.value for row in plugins.statuses("protocols") if row.value is not None]
    return PROTOCOLS | {value.name: value for value in rows}


def followed(data: DataRecipe, selection: str) -> str:
    """The protocol that a recipe names, where split, size and selection are its own; else ''."""
    item = known().get(data.protocol or "")
    if item is None or any(way is not None for way in (data.split, data.folds, data.split_file)):
        return ""
    size = item.size_for(str(data.name)) or data.size
    kept = tuple(size) == tuple(data.size) and item.resize == data.resize
    return item.name if kept and item.selection == selection else ""


def listing() -> list[dict[str, Any]]:
    """One row per protocol and dataset, for `segkit data splits --list`."""
    rows = []
    for item in known().values():
        rules = dict(item.rules)
        if item.default is not None:
            rules["*"] = item.default
        for dataset, rule in rules.items():
            size = item.size_for(dataset)
            rows.append(
                {
                    "name": item.name,
                    "dataset": dataset,
                    "rule": describe_rule(rule),
                    "size": list(size) if size else None,
                    "resize": item.resize,
                    "selection": item.selection,
                    "scoring": item.scoring,
                    "source": item.source,
                    "summary": item.summary,
                }
            )
    return rows


def describe_rule(rule: Rule) -> str:
    """A rule in a few words."""
    words = {
        "official": "official parts",
        "counts": "/".join(map(str, rule.numbers)),
        "ratio": ":".join(map(str, rule.numbers)),
        "slices": f"{rule.folds} folds of sorted ids, tail in training",
        "cyclic": f"{rule.folds} folds of shuffled ids, the next pictures validate",
        "all-test": "all pictures are tested",
    }[rule.kind]
    if rule.kind in ("counts", "ratio"):
        words += (
            ", sorted ids"
            if rule.order == "id"
            else f", seed {rule.seed if rule.seed is not None else 'S'}"
        )
    if rule.by_class:
        words += ", per class"
    if rule.drop:
        words += ", without " + " and ".join(rule.drop)
    if rule.val:
        words += f", {rule.val:.0%} of training validates"
    return words
