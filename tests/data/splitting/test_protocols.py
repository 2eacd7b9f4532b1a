"""Published split rules, to the id."""

from __future__ import annotations

import numpy as np
import pytest
from split_sets import busi_set, ids, isic, prepared, whole

from segkit.data.splitting.protocols import PROTOCOLS, listing
from segkit.data.splitting.splits import make_split
from segkit.errors import SegkitError, UsageError


def test_qtseg_folds_of_busi_are_the_published_ones() -> None:
    made = make_split(busi_set(), protocol="qtseg")
    assert made.selection == "test"
    assert made.seed is None
    firsts = [("1", "177"), ("178", "255"), ("256", "333"), ("334", "411"), ("412", "97")]
    malignant = [("1", "136"), ("137", "174"), ("175", "22"), ("23", "60"), ("61", "99")]
    validated: set[str] = set()
    for fold, benign_ends, malignant_ends in zip(made.folds, firsts, malignant, strict=True):
        assert (len(fold.train), len(fold.val), len(fold.test)) == (518, 0, 129)
        benign = sorted(name for name in fold.test if name.startswith("benign"))
        assert (benign[0], benign[-1]) == tuple(f"benign ({k})" for k in benign_ends)
        others = sorted(name for name in fold.test if name.startswith("malignant"))
        assert (others[0], others[-1]) == tuple(f"malignant ({k})" for k in malignant_ends)
        assert len(others) == 42
        validated |= set(fold.test)
    first = sorted(made.folds[0].test)
    assert first[:4] == ["benign (1)", "benign (10)", "benign (100)", "benign (101)"]
    never = sorted(set(whole(made.folds[0])) - validated)
    assert never == ["benign (98)", "benign (99)"]
    assert not any(name.startswith("normal") for name in whole(made.folds[0]))


def test_the_same_folds_by_hand() -> None:
    lesions = prepared("busi", [n for n in busi_set().ids if "normal" not in n],
                       cls=lambda name: name.split(" ")[0])  # fmt: skip
    published = make_split(lesions, protocol="qtseg")
    by_hand = make_split(lesions, folds=5, order="name", stratify="class", tail="train")
    assert [fold.test for fold in by_hand.folds] == [fold.test for fold in published.folds]
    assert all(len(fold.val) == 52 for fold in by_hand.folds)  # a tenth of the 518 validates
    assert by_hand.selection == "val"


@pytest.mark.parametrize(("name", "count", "size"), [("bkai", 1000, 200), ("dsb2018", 670, 134)])
def test_qtseg_slices(name: str, count: int, size: int) -> None:
    part = "train" if name == "bkai" else "all"
    made = make_split(prepared(name, ids(count), part=part), protocol="qtseg")
    assert [len(fold.test) for fold in made.folds] == [size] * 5
    assert made.folds[1].test[0] == f"p{size:04d}"


@pytest.mark.parametrize(
    ("year", "parts", "train", "test"),
    [
        ("2017", {"train": 2000, "val": 150, "test": 600}, 1500, 650),
        ("2018", {"train": 2594, "val": 100, "test": 1000}, 1886, 808),
    ],
)
def test_the_seven_to_three_counts(year: str, parts: dict[str, int], train: int, test: int) -> None:
    made = make_split(isic(year, **parts), protocol="vmpanet")
    (fold,) = made.folds
    assert len(fold.train) + len(fold.val) == train
    assert len(fold.val) == round(train * 0.2)
    assert len(fold.test) == test
    assert made.selection == "val"
    pool = sorted(set(whole(fold)))
    assert (
        pool[-1] == f"ISIC_{train + test - 1:07d}"
    )  # training and validation part, not the test part
    order = np.random.RandomState(0).permutation(train + test)
    assert fold.test == tuple(sorted(pool[k] for k in order[train:]))
    assert make_split(isic(year, **parts), protocol="vmpanet", seed=1).folds != made.folds
    by_counts = make_split(isic(year, **parts), split=f"{train}/{test}")
    assert len(by_counts.folds[0].test) == test


def test_an_incomplete_pool_is_cut_in_proportion_and_says_so() -> None:
    made = make_split(isic("2017", train=2000), protocol="vmpanet")
    assert len(made.folds[0].test) == 605
    assert any("2000 of the 2150" in note and "not comparable" in note for note in made.notes)


def test_dermomamba_holds_out_the_published_positions() -> None:
    made = make_split(isic("2018", train=2594, val=100), protocol="dermomamba", seed=5)
    (fold,) = made.folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (2074, 0, 520)
    assert made.seed == 257
    assert made.selection == "test"
    for position in (168, 220, 1122, 1754, 1538, 528, 2561):
        assert f"ISIC_{position:07d}" in fold.test
    for position in (69, 2568, 164, 539):
        assert f"ISIC_{position:07d}" in fold.train


def test_eamnet_folds() -> None:
    made = make_split(isic("2018", train=2594), protocol="eamnet", seed=3)
    assert [(len(f.train), len(f.val), len(f.test)) for f in made.folds] == [(1816, 260, 518)] * 5
    order = [f"ISIC_{k:07d}" for k in np.random.RandomState(3).permutation(2594)]
    assert set(made.folds[1].test) == set(order[518:1036])
    assert set(made.folds[1].val) == set(order[1036:1296])
    assert set(made.folds[4].val) == {*order[2590:], *order[:256]}
    ph2 = make_split(prepared("ph2", ids(200)), protocol="eamnet")
    assert [(len(f.train), len(f.val), len(f.test)) for f in ph2.folds] == [(144, 16, 40)] * 5
    transfer = make_split(prepared("ph2", ids(200)), protocol="ph2-transfer")
    assert len(transfer.folds[0].test) == 200
    assert transfer.folds[0].train == ()


def test_bcdunet_slices_of_sorted_ids() -> None:
    made = make_split(isic("2017", train=2000), protocol="bcdunet")
    (fold,) = made.folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (1250, 150, 600)
    assert fold.val[0] == "ISIC_0001250"
    by_hand = make_split(isic("2017", train=2000), split="1250/150/600", order="id")
    assert by_hand.folds == made.folds


def test_official_parts() -> None:
    made = make_split(isic("2016", train=900, test=379), protocol="official")
    (fold,) = made.folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (810, 90, 379)
    full = make_split(isic("2017", train=200, val=15, test=60), split="official")
    assert [len(x) for x in (full.folds[0].train, full.folds[0].val, full.folds[0].test)] == [
        200,
        15,
        60,
    ]
    published = make_split(isic("2016", train=900, test=379), protocol="qtseg")
    assert published.folds[0].val == ()
    with pytest.raises(SegkitError, match="no official training and test part"):
        make_split(isic("2017", train=50), split="official")


def test_a_protocol_that_does_not_know_the_set() -> None:
    with pytest.raises(UsageError, match="says nothing of busi"):
        make_split(busi_set(), protocol="malunet")
    with pytest.raises(UsageError, match="did you mean 'qtseg'"):
        make_split(busi_set(), protocol="qtsegg")


def test_explicit_split_overrides_only_the_split_of_a_protocol() -> None:
    made = make_split(busi_set(), protocol="qtseg", folds=5)
    assert made.rule == "folds-5"
    assert made.selection == "val"
    assert any(name.startswith("normal") for name in whole(made.folds[0]))


def test_every_rule_of_the_registry_is_carried_out() -> None:
    for row in listing():
        name = row["dataset"] if row["dataset"] != "*" else "any"
        parts = {"train": 60, "val": 10, "test": 20}
        labels = [part for part, count in parts.items() for _ in range(count)]
        names = [f"{part}{k:03d}" for k, part in enumerate(labels)]
        full = prepared(name, names, part=lambda n: n[:-3])
        made = make_split(full, protocol=row["name"])
        assert made.folds
        assert row["source"]
        assert made.selection == PROTOCOLS[row["name"]].selection


def test_ukan_rounds_its_test_part_up() -> None:
    (fold,) = make_split(busi_set(), protocol="ukan").folds
    assert (len(fold.train), len(fold.test)) == (517, 130)


def test_our_own_validation_tears_no_group_of_an_official_part() -> None:
    names = [f"ISIC_{k:07d}" for k in range(60)]
    twins = [(names[k], names[k + 1], "near") for k in range(0, 50, 2)]
    full = prepared(
        "isic2016", names, part=lambda i: "train" if i < names[50] else "test", twins=twins
    )
    made = make_split(full, protocol="official")
    assert len(made.folds[0].val) == 4  # a pair does not fit the fifth place
    assert made.torn == 0
    with pytest.raises(UsageError, match="its publisher gives one list"):
        make_split(busi_set(), split="official")
