"""Splits: disjoint, complete, reproducible, grouped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_sets import busi_set, ids, prepared, whole

from segkit.data.splitting.assign import assign, proportional, spread
from segkit.data.splitting.groups import merge
from segkit.data.splitting.splits import Split, make_split, split_for
from segkit.errors import SegkitError, UsageError
from segkit.recipe import DataRecipe


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
    bins = assign(names, [one, other], strata=strata, groups={}, seed=seed)
    assert [len(b) for b in bins] == [one, other]
    assert sorted(bins[0] + bins[1]) == names


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
