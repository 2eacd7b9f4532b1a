"""Splits: disjoint, complete, reproducible, grouped; the published ones to the id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.data.dealing import deal, proportional, spread
from segkit.data.groups import merge
from segkit.data.protocols import PROTOCOLS, listing
from segkit.data.splits import Fold, Split, load_split, make_split, save_split, split_for
from segkit.errors import SegkitError, UsageError
from segkit.recipe import DataRecipe


def prepared(
    name: str,
    ids: Sequence[str],
    *,
    part: Any = "all",
    cls: Any = None,
    group: Any = None,
    twins: Sequence[tuple[str, str, str]] = (),
) -> Any:
    """What a split needs of a prepared set; part, cls and group are values or functions of
    the id.
    """

    def of(value: Any, item: str) -> Any:
        return value(item) if callable(value) else value

    items = [
        {
            "id": item,
            "part": of(part, item),
            "cls": of(cls, item),
            "group": of(group, item),
            "share": (k % 10) / 10,
        }
        for k, item in enumerate(sorted(ids))
    ]
    found = [{"one": a, "other": b, "kind": k, "score": 1.0} for a, b, k in twins]
    manifest = {"duplicates": found}
    return SimpleNamespace(name=name, items=items, ids=sorted(ids), manifest=manifest)


def ids(count: int, prefix: str = "p") -> list[str]:
    return [f"{prefix}{k:04d}" for k in range(count)]


def isic(year: str, **parts: int) -> Any:
    names = {f"ISIC_{k:07d}": part for part, k in _numbered(parts)}
    return prepared(f"isic{year}", list(names), part=names.__getitem__)


def _numbered(parts: dict[str, int]) -> list[tuple[str, int]]:
    labels = [part for part, count in parts.items() for _ in range(count)]
    return [(part, k) for k, part in enumerate(labels)]


def busi_set() -> Any:
    names = [f"benign ({k})" for k in range(1, 438)]
    names += [f"malignant ({k})" for k in range(1, 211)]
    names += [f"normal ({k})" for k in range(1, 134)]
    return prepared("busi", names, cls=lambda name: name.split(" ")[0])


def whole(fold: Fold) -> list[str]:
    return sorted([*fold.train, *fold.val, *fold.test])


# ---- published rules, to the id


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


# ---- our own rules


def test_folds_cover_the_whole_set_once_with_the_remainder_spread() -> None:
    made = make_split(prepared("x", ids(103)), folds=5)
    assert sorted(len(fold.test) for fold in made.folds) == [20, 20, 21, 21, 21]
    assert sorted(name for fold in made.folds for name in fold.test) == ids(103)
    for fold in made.folds:
        assert len(fold.val) == round(0.1 * (103 - len(fold.test)))
        assert whole(fold) == ids(103)


def test_holdout_takes_its_validation_from_the_training_side() -> None:
    (fold,) = make_split(prepared("x", ids(1000)), split="7:3").folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (630, 70, 300)
    (three,) = make_split(prepared("x", ids(100)), split="8:1:1").folds
    assert (len(three.train), len(three.val), len(three.test)) == (80, 10, 10)


def test_classes_are_spread_evenly() -> None:
    made = make_split(busi_set(), folds=5)
    for fold in made.folds:
        count = {
            c: sum(n.startswith(c) for n in fold.test) for c in ("benign", "malignant", "normal")
        }
        assert abs(count["benign"] - 437 / 5) <= 1
        assert abs(count["malignant"] - 42) <= 1
        assert abs(count["normal"] - 133 / 5) <= 1
    by_area = make_split(prepared("x", ids(100)), folds=5, stratify="area")
    share = {item["id"]: item["share"] for item in prepared("x", ids(100)).items}
    means = [np.mean([share[name] for name in fold.test]) for fold in by_area.folds]
    assert max(means) - min(means) < 0.1


def test_copies_stay_together_in_random_splits_and_default_folds() -> None:
    twins = [("p0001", "p0050", "near"), ("p0050", "p0099", "bytes"), ("p0010", "p0011", "tile")]
    full = prepared(
        "x", ids(100), twins=twins, group=lambda n: n[:3] + n[-1] if n < "p0010" else None
    )
    for kwargs in ({"folds": 5}, {"split": "7:3"}, {"split": "60/40"}):
        for seed in range(20):
            made = make_split(full, seed=seed, **kwargs)  # type: ignore[arg-type]
            assert made.torn == 0
            for fold in made.folds:
                for part in (fold.train, fold.val, fold.test):
                    assert len({"p0001", "p0050", "p0099"} & set(part)) in (0, 3)
                    assert len({"p0010", "p0011"} & set(part)) in (0, 2)


def test_published_rules_tear_groups_apart_with_a_count_or_are_refused() -> None:
    full = prepared(
        "dsb2018", ids(670), twins=[("p0133", "p0134", "near"), ("p0001", "p0002", "near")]
    )
    made = make_split(full, protocol="qtseg")
    assert made.torn == 1
    assert any("1 groups of copies" in note for note in made.notes)
    with pytest.raises(SegkitError, match="segkit data leaks"):
        make_split(full, protocol="qtseg", strict=True)
    assert make_split(full, folds=5, strict=True).torn == 0
    assert make_split(full, folds=5, group="none", seed=1).torn >= 1


def test_group_rules(tmp_path: Path) -> None:
    full = prepared(
        "x", ids(40), twins=[("p0000", "p0001", "tile"), ("p0002", "p0003", "near")],
        group=lambda n: "kid" if n in ("p0004", "p0005") else None,
    )  # fmt: skip
    table = tmp_path / "groups.csv"
    table.write_text("id,group\np0006,a\np0007,a\np0008,\n")

    def kept(group: str | None, one: str, other: str) -> bool:
        return all(
            any({one, other} <= set(part) for part in (f.train, f.val, f.test))
            for seed in range(12)
            for f in make_split(full, folds=4, group=group, seed=seed).folds
        )

    assert kept("tiles", "p0000", "p0001")
    assert not kept("tiles", "p0002", "p0003")
    assert kept("near-duplicates", "p0002", "p0003")
    assert kept("patient", "p0004", "p0005")
    assert kept(str(table), "p0006", "p0007")
    assert not kept("none", "p0006", "p0007")
    with pytest.raises(UsageError, match="allowed: none"):
        make_split(full, folds=4, group="families")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"split": "7-3"}, "not understood"),
        ({"split": "0:3"}, "not understood"),
        ({"split": "7:3", "folds": 5}, "contradict"),
        ({"folds": 1}, "2 to 10"),
        ({"folds": 11}, "2 to 10"),
        ({"split": "1500/650"}, "2150 pictures"),
        ({"split": "999:1"}, "leaves a part empty"),
        ({"folds": 5, "order": "random"}, "seeded, id, name"),
        ({"folds": 5, "stratify": "size"}, "auto, class, area, none"),
        ({"folds": 5, "tail": "lost"}, "spread, train"),
    ],
)
def test_wrong_requests(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_split(prepared("x", ids(10)), **kwargs)


# ---- properties


@settings(max_examples=60, deadline=None)
@given(
    st.integers(12, 120), st.integers(2, 6), st.integers(0, 5), st.integers(0, 2**31), st.randoms()
)
def test_folds_are_disjoint_complete_reproducible_and_grouped(
    count: int, folds: int, links: int, seed: int, random: Any
) -> None:
    names = ids(count)
    twins = [(*sorted(random.sample(names, 2)), "near") for _ in range(links)]
    full = prepared("x", names, twins=twins, cls=lambda n: str(int(n[1:]) % 3))
    made = make_split(full, folds=folds, seed=seed)
    assert made == make_split(full, folds=folds, seed=seed)
    assert sorted(n for fold in made.folds for n in fold.test) == names
    together = merge(twins_of(twins))
    for fold in made.folds:
        assert whole(fold) == names
        assert fold.val
        for part in (fold.train, fold.val, fold.test):
            inside = {together[name] for name in part if name in together}
            outside = {together[n] for n in whole(fold) if n in together and n not in part}
            assert not inside & outside
    assert made.torn == 0


def twins_of(found: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(one, other) for one, other, _ in found]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5000), st.lists(st.integers(1, 900), min_size=2, max_size=4))
def test_counts_add_up(total: int, shares: list[int]) -> None:
    assert sum(proportional(total, shares)) == total
    assert all(
        abs(p - total * s / sum(shares)) < 1
        for p, s in zip(proportional(total, shares), shares, strict=True)
    )
    assert sum(spread(total, len(shares))) == total


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 99))
def test_dealing_without_groups_fills_bins_exactly(one: int, other: int, seed: int) -> None:
    names = ids(one + other)
    strata = {name: int(name[1:]) % 4 for name in names}
    bins = deal(names, [one, other], strata=strata, groups={}, seed=seed)
    assert [len(b) for b in bins] == [one, other]
    assert sorted(bins[0] + bins[1]) == names


# ---- files


def test_split_files_come_back_as_they_were(tmp_path: Path) -> None:
    full = prepared("x", ids(30))
    made = make_split(full, folds=3, seed=7)
    path = save_split(made, tmp_path)
    assert path.name == f"folds-3-{made.hash[:8]}.json"
    assert load_split(path, full) == made
    again = make_split(full, split_file=path)
    assert again.folds == made.folds
    value = json.loads(path.read_text())
    assert value["counts"][0] == {"train": 18, "val": 2, "test": 10}


def test_split_files_of_others(tmp_path: Path) -> None:
    full = prepared("x", ids(6))
    (tmp_path / "s.csv").write_text(
        "id,part,fold\n" + "".join(f"p{k:04d},{p},{f}\n" for f in (0, 1) for k, p in
                                   enumerate(("train", "train", "train", "val", "test", "test")))
    )  # fmt: skip
    from_csv = make_split(full, split_file=tmp_path / "s.csv")
    assert len(from_csv.folds) == 2
    assert from_csv.folds[0].val == ("p0003",)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("p0000\np0001\n\n")
    (lists / "val.txt").write_text("p0002\n")
    from_folder = make_split(full, split_file=lists)
    assert from_folder.folds[0] == Fold(("p0000", "p0001"), ("p0002",), ())
    (tmp_path / "plain.json").write_text(json.dumps({"train": ["p0000"], "test": ["p0001"]}))
    assert make_split(full, split_file=tmp_path / "plain.json").folds[0].test == ("p0001",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "no split"),
        ("a.json", '{"train": "p0000"}', "list of ids"),
        ("a.json", '{"train": ["p0000"], "test": ["p0000"]}', "twice"),
        ("a.json", '{"train": ["p0000"], "test": ["ghost"]}', "not prepared"),
        ("a.json", '{"train": ["p0000"]}', "nothing to score"),
        ("a.csv", "id,where\np0000,train\n", "columns"),
        ("a.csv", "id,part\np0000,exam\n", "exam"),
        ("a.txt", "p0000", "not understood"),
    ],
)
def test_broken_split_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SegkitError, match=message):
        make_split(prepared("x", ids(4)), split_file=tmp_path / name)


def test_recipe_section() -> None:
    full = prepared("x", ids(50))
    made = split_for(full, DataRecipe(folds=5, split_seed=3))
    assert made == make_split(full, folds=5, seed=3)
    assert isinstance(made, Split)
    assert split_for(full, DataRecipe()).rule == "split-7:3"


# ---- options that would be ignored, and what the notes say


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"protocol": "qtseg", "order": "id"}, "--order has no meaning here"),
        ({"split": "official", "stratify": "area"}, "--stratify has no meaning"),
        ({"folds": 3, "tail": "train"}, "--tail has no meaning"),
        ({"split": "7:3", "order": "id", "tail": "train"}, "--tail has no meaning"),
        ({"folds": 3, "order": "name", "stratify": "area"}, "contradicts --order"),
    ],
)
def test_options_without_effect_are_refused(asked: dict[str, Any], message: str) -> None:
    full = prepared("isic2017", ids(20), part=lambda item: "train" if item < "p0015" else "test")
    with pytest.raises(UsageError, match=message):
        make_split(full, **asked)


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


def test_notes_of_tables_and_files_that_fit_only_in_part(tmp_path: Path) -> None:
    full = prepared("x", ids(12), twins=[("p0000", "p0001", "near")])
    table = tmp_path / "g.csv"
    table.write_text("id,group\np0002,a\np0003,a\nghost,b\n")
    made = make_split(full, split="7:3", group=str(table))
    assert any("1 ids of" in note and "ghost" in note for note in made.notes)
    table.write_text("id,group\nghost,b\n")
    with pytest.raises(UsageError, match="names no picture of the set"):
        make_split(full, split="7:3", group=str(table))
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"train": ["p0000"], "test": ["p0001"]}))
    made = make_split(full, split_file=file)
    assert "names 2 of 12 pictures" in made.notes[0]
    saved = save_split(made, tmp_path / "again.json")
    again = make_split(full, split_file=saved)
    assert sum("both sides of the split" in note for note in again.notes) == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b'{"folds": {"train": []}}', "'folds' must be a list"),
        ("a.json", b'{"folds": [7]}', "no split"),
        ("a.csv", b"id,part\n\xe4,train\n", "not UTF-8"),
        ("a.json", b'{"train": ["p0000"], "val": ["p0001"], "seed": [], "notes": 3}', ""),
    ],
)
def test_odd_split_files_have_one_line(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    if not message:
        assert make_split(prepared("x", ids(3)), split_file=tmp_path / name).seed is None
        return
    with pytest.raises(SegkitError, match=message):
        make_split(prepared("x", ids(3)), split_file=tmp_path / name)
