"""Runs beside each other: paired tests on shared pictures, tie groups, the leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segkit import paths
from segkit.data.sources import dataset
from segkit.engine import registration
from segkit.engine.evaluating import other_trainings
from segkit.engine.evaluating.cases_csv import read_cases, read_run_cases
from segkit.engine.evaluating.grids import percent_of_diagonal
from segkit.engine.evaluating.summary import METHODS
from segkit.engine.runs import Run, list_runs, open_run
from segkit.errors import SegkitError, UsageError
from segkit.metrics import statistics
from segkit.metrics.confusion import Counts
from segkit.metrics.intervals import Figure, Resampler, mean_figure, pooled_figure, too_few
from segkit.metrics.published import rows_on
from segkit.metrics.table import NamedScore, score_of

Columns = dict[str, np.ndarray]
COUNTS = ("tp", "fp", "fn", "tn")
TESTS = "paired permutation of units, Holm over all pairs; Wilcoxon uncorrected beside it"
OF_PICTURES = (
    "difference, interval, p and ties are of the pooled score; Wilcoxon, wins, losses and the "
    "detectable difference are of the score of each picture"
)
BOARD = ("dice_image", "iou_image", "dice_pooled", "iou_pooled", "hd95")


def compare(
    runs: Sequence[Run | Path | str],
    metric: str = "dice_image",
    data: str | None = None,
    at: str = "prepared",
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Any]:
    """The `compare --json` document: every pair of runs on the pictures that all have scored."""
    if at not in ("prepared", "original"):
        raise UsageError(f"--at is '{at}'", "allowed: prepared, original")
    opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    if len(opened) < 2:
        raise UsageError("compare needs at least two runs")
    named = dict(zip(_names(opened), opened, strict=True))
    tables = {name: _cases(run, data, at) for name, run in named.items()}
    ids = _shared(tables)
    made = _document(named, tables, ids, metric, seed, resamples, data)
    notes = _notes(named, tables, ids, data, at)
    if score_of(metric, _measured(tables)).pooled:
        notes.append(OF_PICTURES)
    return {**made, "data": data or opened[0].card["name"], "at": at, "notes": notes}


def _names(runs: Sequence[Run]) -> list[str]:
    """Short names; whole paths where two runs share one."""
    short = [run.name for run in runs]
    names = [str(run.path) if short.count(run.name) > 1 else run.name for run in runs]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("a run was named twice", ", ".join(names))
    return names


def _cases(run: Run, data: str | None, at: str) -> Columns:
    """The cases of a run: of its own test part, or of an evaluation beside it."""
    own = data in (None, run.card["name"])
    if own and at == "prepared":
        return read_run_cases(run.folds)
    words = [] if own else [str(data)]
    label = "-".join(words + ([at] if at != "prepared" else []))
    path = run.path / "evaluations" / f"{label}-cases.csv"
    if not path.is_file():
        options = ("" if own else f" --data {data}") + (f" --at {at}" if at != "prepared" else "")
        cure = f"Run: segkit evaluate {run.path}{options}"
        raise SegkitError(f"{run.path} was not scored that way", f"{path} is missing", cure)
    return read_cases(path)


def _document(
    runs: dict[str, Run],
    tables: dict[str, Columns],
    ids: Sequence[str],
    metric: str,
    seed: int,
    resamples: int,
    data: str | None,
) -> dict[str, Any]:
    groups = _groups(next(iter(tables.values())), ids)
    score = score_of(metric, _measured(tables))
    reduced = {name: _per_picture(table, ids, score) for name, table in tables.items()}
    values = {name: one[0] for name, one in reduced.items()}
    figures = {name: one[1] for name, one in reduced.items()}
    draws = Resampler(len(ids), groups, resamples, seed)
    pairs = statistics.compare_runs(values, groups, figures, seed, resamples)
    means = {name: float(f.of_sums(f.columns.sum(0))) for name, f in figures.items()}
    sign = -1.0 if score.lower_is_better else 1.0
    letters = statistics.tie_groups({n: sign * mean for n, mean in means.items()}, pairs)
    ranks = statistics.rank_stability(figures, draws, higher_is_better=sign > 0)
    order = sorted(means, key=lambda name: -sign * means[name])
    return {
        "metric": metric,
        "n": len(ids),
        "higher_is_better": sign > 0,
        "in_pixels": score.in_pixels,
        "runs": [
            {
                "name": name,
                "run": str(runs[name].path),
                "architecture": runs[name].recipe.architecture,
                "selection": "test" if _chosen_here(runs[name], data) else "val",
                **draws.report(figures[name]),
                "tie_group": letters[name],
                "rank": ranks[name],
            }
            for name in order
        ],
        "pairs": [
            {**pair.as_dict(), "other_trainings": _again(tables, pair, ids, score, draws)}
            for pair in pairs
        ],
        "rank_agreement": statistics.kendall_stability(figures, draws),
        "interval": draws.describe(),
        "tests": TESTS,
    }


def _again(
    tables: dict[str, Columns],
    pair: statistics.PairedComparison,
    ids: Sequence[str],
    score: NamedScore,
    draws: Resampler,
) -> dict[str, Any] | None:
    return other_trainings.of_difference(
        tables[pair.a], tables[pair.b], lambda rows: _per_picture(rows, ids, score)[1], draws
    )


def _shared(tables: dict[str, Columns]) -> list[str]:
    """The pictures that every run has scored, sorted."""
    sets = [set(table["id"]) for table in tables.values()]
    ids = sorted(set.intersection(*sets))
    if len(ids) < 2:
        raise SegkitError(
            "the runs share fewer than two scored pictures",
            "their test parts differ",
            "Train them with the same --split, --folds or --split-file.",
        )
    return ids


def _notes(
    runs: dict[str, Run],
    tables: dict[str, Columns],
    ids: Sequence[str],
    data: str | None,
    at: str,
) -> list[str]:
    notes = []
    for name, table in tables.items():
        many = len(set(table["id"]))
        if many > len(ids):
            notes.append(f"{name}: only {len(ids)} of {many} scored pictures are shared")
    sizes = {(*run.recipe.data.size, run.recipe.data.resize) for run in runs.values()}
    if len(sizes) > 1 and at == "prepared":
        notes.append("the runs were scored at different sizes: --at original makes them alike")
    if data is None and len({run.card["name"] for run in runs.values()}) > 1:
        notes.append("the runs were trained on different datasets")
    said = {name: registration.statement(run) for name, run in runs.items()}
    notes += [f"{name}: {text}" for name, text in said.items() if text]
    chosen = [name for name, run in runs.items() if _chosen_here(run, data)]
    if chosen:
        notes.append(f"selection: test (chosen on the reported part): {', '.join(chosen)}")
    few = too_few(len(ids))
    return [*notes, few] if few else notes


def _chosen_here(run: Run, data: str | None) -> bool:
    """Whether the pictures that are compared chose the checkpoint: another set chose nothing."""
    return run.selection == "test" and data in (None, run.card["name"])


def _groups(table: Columns, ids: Sequence[str]) -> list[str]:
    known = dict(zip(table["id"], table["group"], strict=True))
    return [str(known[name] or name) for name in ids]


def _per_picture(
    table: Mapping[str, np.ndarray], ids: Sequence[str], score: NamedScore
) -> tuple[np.ndarray, Figure]:
    """Per picture (mean over folds and seeds): the value, and the figure that is compared."""
    index = {name: i for i, name in enumerate(ids)}
    rows = [i for i, name in enumerate(table["id"]) if name in index]
    where = np.array([index[table["id"][i]] for i in rows])
    values = _averaged(table[score.column][rows], where, len(ids))
    if not score.pooled:
        return values, mean_figure(values)
    averaged = [_averaged(table[name][rows], where, len(ids)) for name in COUNTS]
    parts = np.nan_to_num(averaged)  # a picture without a row counts nothing
    return values, pooled_figure(Counts(*parts), METHODS.get(score.column, score.column))


def _averaged(values: np.ndarray, where: np.ndarray, many: int) -> np.ndarray:
    total, count = np.zeros(many), np.zeros(many)
    np.add.at(total, where, values)
    np.add.at(count, where, 1.0)
    with np.errstate(invalid="ignore"):
        return total / count  # not a number where a picture has no row


def _measured(tables: dict[str, Columns]) -> list[str]:
    """The columns of numbers that all tables have."""
    first, *others = tables.values()
    numbers = [name for name, values in first.items() if values.dtype.kind == "f"]
    return [name for name in numbers if all(name in table for table in others)]


def leaderboard(data: str, root: Path | str) -> dict[str, Any]:
    """All scored runs on a dataset, best first, and the published rows apart."""
    rows, broken = [], []
    for run in list_runs(root):
        try:
            rows += _board_rows(run, data)
        except SegkitError as error:  # one bad file must not hide the others
            broken.append({"run": str(run.path), "reason": error.as_text()})
    rows.sort(key=lambda row: -(row["metrics"]["dice_image"]["mean"] or 0.0))
    grids = {(*row["size"], row["resize"], row["at"]) for row in rows}
    published = [row.as_dict() for row in rows_on(data)]
    if not rows and not published and not broken:
        dataset(data)  # a name that nobody knows is answered with the nearest
    found = {"data": data, "runs": rows, "published": published, "broken": broken}
    return {**found, "one_grid": len(grids) <= 1}


def _board_rows(run: Run, data: str) -> list[dict[str, Any]]:
    """The run's own scores on the dataset, or its zero-shot scores."""
    found = []
    if run.card.get("name") == data and run.summary is not None:
        found.append(_board_row(run, run.summary, lambda: read_run_cases(run.folds)))
    zero_shot = run.path / "evaluations" / f"{data}.json"
    if zero_shot.is_file():
        beside = zero_shot.with_name(f"{data}-cases.csv")
        found.append(_board_row(run, paths.read_json(zero_shot), lambda: read_cases(beside)))
    return found


def _board_row(run: Run, made: dict[str, Any], cases: Callable[[], Columns]) -> dict[str, Any]:
    found = {name: made["metrics"][name] for name in BOARD if name in made["metrics"]}
    resize = str(made.get("resize", run.recipe.data.resize))
    try:
        grid = (*made["size"], resize)
        found["hd95_percent"] = percent_of_diagonal(found.get("hd95", {}), cases(), grid)
    except SegkitError:  # a run without its cases has its row all the same
        found["hd95_percent"] = None
    return {
        "name": run.name,
        "run": str(run.path),
        "architecture": run.recipe.architecture,
        "trained_on": made["trained_on"],
        "zero_shot": made["data"] != made["trained_on"],
        "split": made["split"],
        "folds": len(made["folds"]),
        "n": made["n"],
        "size": made["size"],
        "resize": resize,
        "at": made.get("at", "prepared"),
        "selection": made["selection"],
        "metrics": found,
    }
