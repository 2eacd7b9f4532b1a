"""Comparing runs by the cases that they have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segkit import paths
from segkit.engine.evaluating.cases_csv import read_cases, write_cases
from segkit.engine.evaluating.comparison import compare, leaderboard
from segkit.engine.runs import Run, open_run
from segkit.errors import SegkitError, UsageError
from segkit.testing.runs import make_run


def scored(path: Path, ids: list[str], tp: np.ndarray, folds: int = 1, size: int = 64) -> Run:
    """A run whose cases are made up: 100 true pixels each, no false positives."""
    settings = {"data": {"size": [size, size]}}
    run = make_run(path, settings, {"size": [size, size]}, folds=folds)
    for fold in run.folds:
        many = len(ids)
        hits = tp + fold.index
        columns = {
            "id": np.array(ids, dtype=object),
            "fold": np.full(many, fold.index),
            "group": np.array(ids, dtype=object),
            "dice": 2 * hits / (100 + hits),
            "iou": hits / 100,
            "mae": (100 - hits) / 1000,
            "hd95": 100.0 - hits,
            "tp": hits,
            "fp": np.zeros(many, int),
            "fn": 100 - hits,
            "tn": np.full(many, 900),
        }
        write_cases(fold.cases_csv, columns, "val")
    return run


@pytest.fixture
def ids() -> list[str]:
    return [f"p{i:02}" for i in range(30)]


@pytest.fixture
def hits() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 90, 30)


def test_the_better_run_is_first(tmp_path: Path, ids: list[str], hits: np.ndarray) -> None:
    noise = np.random.default_rng(1).integers(-1, 2, 30)
    runs = [scored(tmp_path / "low", ids, hits), scored(tmp_path / "high", ids, hits + 5)]
    runs.append(scored(tmp_path / "same", ids, hits + noise))
    made = compare(runs, resamples=300)
    rows = {row["name"]: row for row in made["runs"]}
    assert made["runs"][0]["name"] == "high"
    assert rows["high"]["mean"] == pytest.approx(np.mean(2 * (hits + 5) / (105 + hits)))
    assert rows["high"]["tie_group"] == "a"
    assert rows["low"]["tie_group"] == rows["same"]["tie_group"] == "b"
    assert rows["high"]["rank"]["first"] == 1.0
    assert made["n"] == 30
    assert [note[:7] for note in made["notes"]] == ["only 30"]  # fewer than 50 pictures


def test_lower_distances_are_better(tmp_path: Path, ids: list[str], hits: np.ndarray) -> None:
    runs = [scored(tmp_path / "low", ids, hits), scored(tmp_path / "high", ids, hits + 5)]
    made = compare(runs, metric="hd95", resamples=300)
    assert made["higher_is_better"] is False
    assert [row["name"] for row in made["runs"]] == ["high", "low"]
    (pair,) = made["pairs"]
    assert pair["difference"] == pytest.approx(5.0)


def test_pooled_scores(tmp_path: Path, ids: list[str], hits: np.ndarray) -> None:
    runs = [scored(tmp_path / "low", ids, hits), scored(tmp_path / "high", ids, hits + 5)]
    made = compare(runs, metric="iou_pooled", resamples=300)
    with pytest.raises(UsageError):
        compare(runs, metric="nothing")
    assert made["runs"][1]["mean"] == pytest.approx(hits.sum() / 3000)


def test_folds_on_the_same_pictures_are_averaged(
    tmp_path: Path, ids: list[str], hits: np.ndarray
) -> None:
    twice = scored(tmp_path / "twice", ids, hits, folds=2)
    once = scored(tmp_path / "once", ids, hits)
    made = compare([twice, once], metric="hd95", resamples=300)
    rows = {row["name"]: row for row in made["runs"]}
    assert rows["twice"]["mean"] == pytest.approx(rows["once"]["mean"] - 0.5)


def test_only_shared_pictures_count(tmp_path: Path, ids: list[str], hits: np.ndarray) -> None:
    whole = scored(tmp_path / "whole", ids, hits)
    part = scored(tmp_path / "part", ids[:20], hits[:20], size=128)
    made = compare([whole, part], resamples=300)
    assert made["n"] == 20
    assert made["notes"][0] == "whole: only 20 of 30 scored pictures are shared"
    assert "different sizes" in made["notes"][1]
    other = scored(tmp_path / "other", [f"q{i}" for i in range(30)], hits)
    with pytest.raises(SegkitError, match="fewer than two"):
        compare([whole, other])


def test_wrong_lists_of_runs(tmp_path: Path, ids: list[str], hits: np.ndarray) -> None:
    run = scored(tmp_path / "a" / "run", ids, hits)
    with pytest.raises(UsageError, match="at least two"):
        compare([run])
    for same in (run.path, tmp_path / "a" / ".." / "a" / "run"):
        with pytest.raises(UsageError, match="named twice"):
            compare([run, same])
    twin = scored(tmp_path / "b" / "run", ids, hits)
    assert len({row["name"] for row in compare([run, twin], resamples=300)["runs"]}) == 2
    with pytest.raises(SegkitError, match="segkit evaluate"):
        compare([make_run(tmp_path / "unscored"), run])


def test_an_unscored_run_is_not_on_the_board(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "unscored")
    assert leaderboard("demo", tmp_path / "runs")["runs"] == []


def test_a_broken_run_does_not_hide_the_others(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "bad", card={"name": "demo"})
    (run.path / "summary.json").write_text("{")
    (broken,) = leaderboard("demo", tmp_path / "runs")["broken"]
    assert "not valid JSON" in broken["reason"]
    with pytest.raises(UsageError, match="isic2018"):
        leaderboard("isic2081", tmp_path / "nothing")


@pytest.mark.parametrize("metric", ["hd95", "hd95_image", "mae", "mae_image", "mae_pooled"])
def test_less_is_better_whatever_the_suffix(
    metric: str, tmp_path: Path, ids: list[str], hits: np.ndarray
) -> None:
    runs = [scored(tmp_path / "low", ids, hits), scored(tmp_path / "high", ids, hits + 5)]
    made = compare(runs, metric=metric, resamples=300)
    assert [row["name"] for row in made["runs"]] == ["high", "low"]
    assert made["in_pixels"] == metric.startswith("hd95")


@pytest.mark.parametrize(
    ("metric", "why"),
    [("hd95_pooled", "use hd95"), ("ece", "try brier"), ("fn", "unknown"), ("fold", "unknown")],
)
def test_what_is_no_score_is_refused(
    metric: str, why: str, tmp_path: Path, ids: list[str], hits: np.ndarray
) -> None:
    runs = [scored(tmp_path / name, ids, hits) for name in "ab"]
    with pytest.raises(UsageError, match=why):
        compare(runs, metric=metric)
    with pytest.raises(UsageError, match="allowed: prepared, original"):
        compare(runs, at="prepard")


def test_another_set_has_chosen_no_checkpoint(
    tmp_path: Path, ids: list[str], hits: np.ndarray
) -> None:
    """Chosen on its own test part: said there, and not where other pictures are compared."""
    runs = []
    for name, more in (("one", 0), ("other", 5)):
        run = scored(tmp_path / name, ids, hits + more)
        settings = paths.read_json(run.path / "recipe.json")
        settings["train"]["select_on"] = "test"
        paths.write_json(run.path / "recipe.json", settings)
        there = run.path / "evaluations" / "elsewhere-cases.csv"
        there.parent.mkdir()
        there.write_bytes(run.folds[0].cases_csv.read_bytes())
        runs.append(open_run(run.path))
    own, other = compare(runs, resamples=200), compare(runs, data="elsewhere", resamples=200)
    assert any("chosen on the reported part" in note for note in own["notes"])
    assert not any("chosen on" in note for note in other["notes"])
    assert {row["selection"] for row in own["runs"]} == {"test"}
    assert {row["selection"] for row in other["runs"]} == {"val"}


def test_what_is_pooled_and_what_is_not_is_said(
    tmp_path: Path, ids: list[str], hits: np.ndarray
) -> None:
    runs = [scored(tmp_path / "low", ids, hits), scored(tmp_path / "high", ids, hits + 5)]
    pooled = compare(runs, "dice_pooled", resamples=200)
    assert any("are of the pooled score" in note for note in pooled["notes"])
    assert not any("pooled" in note for note in compare(runs, resamples=200)["notes"])


def test_a_difference_that_other_seeds_may_turn(tmp_path: Path, ids: list[str]) -> None:
    """Three seeds that lie far apart: the pictures alone are sure, the seeds are not."""
    hits = np.random.default_rng(0).integers(40, 60, 30)
    runs = [scored(tmp_path / name, ids, hits + more) for name, more in (("a", 0), ("b", 2))]
    for run, shifts in zip(runs, ((0, 4, 8), (2, 6, 10)), strict=True):
        folds = run.folds[0].cases_csv
        seeds = [
            {**read_cases(folds), "tp": hits + shift, "fn": 100 - hits - shift}
            | {"dice": 2 * (hits + shift) / (100 + hits + shift), "seed": np.full(30, str(seed))}
            for seed, shift in enumerate(shifts)
        ]
        write_cases(folds, {k: np.concatenate([s[k] for s in seeds]) for k in seeds[0]}, "val")
    for metric in ("dice_image", "dice_pooled"):
        pair = compare(runs, metric=metric, resamples=500)["pairs"][0]
        low, high = pair["ci95"]
        assert low * high > 0
        again = pair["other_trainings"]
        assert again["unit"] == "seed"
        assert again["trainings"] == [3, 3]
        assert again["ci95"][0] < 0 < again["ci95"][1]


def test_a_difference_that_every_fold_shows(tmp_path: Path, ids: list[str]) -> None:
    """Folds that lie far apart, but the difference is alike in each: it is paired by fold."""
    runs = []
    for name, more in (("a", 0), ("b", 3)):
        run = scored(tmp_path / name, ids, np.full(30, 50) + more, folds=3)
        for fold in run.folds:
            rows = read_cases(fold.cases_csv)
            kept = np.arange(30) % 3 == fold.index
            write_cases(fold.cases_csv, {k: v[kept] for k, v in rows.items()}, "val")
        runs.append(run)
    again = compare(runs, resamples=500)["pairs"][0]["other_trainings"]
    assert again["unit"] == "fold"
    assert again["ci95"][1] < 0
    assert (
        compare([runs[0], scored(tmp_path / "c", ids, np.full(30, 60))], resamples=99)["pairs"][0][
            "other_trainings"
        ]
        is None
    )
