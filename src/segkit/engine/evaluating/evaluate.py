"""Score a run: its test part, another dataset, with test-time augmentation, as an ensemble.

`evaluate_run` returns the `evaluate --json` document. The plain evaluation writes `cases.csv` in
every fold and `summary.json`; every other one writes into `run/evaluations/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit import paths
from segkit.data.splitting.protocols import followed
from segkit.engine.evaluating.cases import Columns, measure_part
from segkit.engine.evaluating.cases_csv import write_cases
from segkit.engine.evaluating.settings import Evaluation, EvaluationSettings, prepare_evaluation
from segkit.engine.evaluating.summary import document, metrics, resampler, units
from segkit.engine.runs import Run, open_run
from segkit.errors import UsageError
from segkit.metrics import cases
from segkit.metrics.intervals import too_few
from segkit.metrics.statistics import permutation_test

if TYPE_CHECKING:
    from segkit.engine.predicting.segmenter import Segmenter

NOT_KEPT = (
    "nothing was written: the network belongs to its package; --out FOLDER keeps a copy of it "
    "with cases.csv and summary.json"
)


def evaluate_run(
    run: Run | Path | str,
    *,
    data: str | None = None,
    split: str = "test",
    at: str = "prepared",
    tta: str | None = None,
    protocol: str | None = None,
    device: str = "auto",
    progress: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """Score a run; `settings` as in `EvaluationSettings`; the result is the JSON document."""
    opened = run if isinstance(run, Run) else open_run(run)
    settings = EvaluationSettings(
        data, split, at, tta or "none", protocol=protocol, device=device, **more
    )
    evaluation = prepare_evaluation(opened, settings)
    ticker = _Ticker(progress, evaluation)
    columns = _all_folds(evaluation, evaluation.base_tta, ticker)
    draws = resampler(columns, settings.resamples, settings.interval)
    made = document(_head(evaluation), columns, evaluation.classes, evaluation.scoring, draws)
    made["rows"] = _rows(evaluation, columns, ticker)
    if settings.tune:
        made["tuned"] = _tuned(evaluation)
    few = too_few(draws.units, draws.unit)
    made["notes"] = evaluation.notes + ([few] if few else [])
    if opened.packaged:
        made["notes"].append(NOT_KEPT)
    elif settings.save:
        _save(evaluation, columns, made)
    return made


def _head(evaluation: Evaluation) -> dict[str, Any]:
    run, settings = evaluation.run, evaluation.settings
    return {
        "run": str(run.path),
        "architecture": run.recipe.architecture,
        "data": evaluation.prepared.name,
        "trained_on": run.card["name"],
        "split": evaluation.split,
        "selection": run.selection,
        "protocol": followed(run.recipe.data, run.selection) if evaluation.own else "",
        "at": settings.at,
        "size": list(evaluation.prepared.size),
        "resize": evaluation.prepared.resize,
        "tta": evaluation.base_tta,
        "threshold": run.recipe.evaluate.threshold,
        "tolerance": settings.tolerance,
        "spacing": list(settings.spacing) if settings.spacing else None,
    }


class _Ticker:
    """Tells the caller's progress bar how much there is; works without one."""

    def __init__(self, progress: Any, evaluation: Evaluation):
        self.progress, self.goal = progress, 0
        self.evaluation = evaluation

    def begin(self, many: int, what: str) -> Any:
        """Announce that so many more pictures will be scored."""
        self.goal += many
        if self.progress is not None:
            self.progress.total(self.goal)
            self.progress.describe(what)
        return self.progress


def _segmenter(evaluation: Evaluation, fold: Any, tta: str) -> Segmenter:
    from segkit.engine.predicting.segmenter import Segmenter

    return Segmenter.from_run(evaluation.run, fold=fold, device=evaluation.settings.device, tta=tta)


def _all_folds(evaluation: Evaluation, tta: str, ticker: _Ticker) -> Columns:
    """The cases of every fold, scored by that fold's network."""
    parts = []
    for fold in evaluation.folds:
        ids = evaluation.ids(fold)
        if not ids:
            continue
        tick = ticker.begin(len(ids), f"scoring {fold.path.name}")
        part = measure_part(
            _segmenter(evaluation, fold, tta), evaluation.prepared, ids, evaluation.plan(), tick
        )
        parts.append(_labelled(part, fold.index, fold.seed))
    return cases.join(parts)


def _labelled(columns: Columns, fold: int, seed: int) -> Columns:
    many = len(columns["id"])
    seeds = np.array([str(seed)] * many, dtype=object)
    return {**columns, "fold": np.full(many, fold), "seed": seeds}


def _rows(evaluation: Evaluation, base: Columns, ticker: _Ticker) -> list[dict[str, Any]]:
    """Test-time augmentation and the ensemble of folds, each a row of its own beside the base."""
    rows, tta = [], evaluation.settings.tta
    if tta != evaluation.base_tta:
        rows.append(_row(evaluation, f"tta-{tta}", _all_folds(evaluation, tta, ticker), base))
    if evaluation.settings.ensemble:
        columns = _ensemble(evaluation, ticker)
        rows.append(_row(evaluation, "ensemble", columns, base))
    return rows


def _ensemble(evaluation: Evaluation, ticker: _Ticker) -> Columns:
    """The mean of all networks."""
    ids = evaluation.ids(evaluation.folds[0])
    tick = ticker.begin(len(ids), "scoring the ensemble")
    segmenter = _segmenter(evaluation, "all", evaluation.base_tta)
    return _labelled(
        measure_part(segmenter, evaluation.prepared, ids, evaluation.plan(), tick), 0, 0
    )


def _row(evaluation: Evaluation, name: str, columns: Columns, base: Columns) -> dict[str, Any]:
    settings = evaluation.settings
    draws = resampler(columns, settings.resamples, settings.interval)
    row: dict[str, Any] = {"name": name, "metrics": metrics(columns, draws)}
    own, plain = _per_picture(columns), _per_picture(base)
    shared = [key for key in own if key in plain]
    groups = dict(zip(columns["id"], units(columns), strict=True))
    ours, theirs = (np.array([table[key] for key in shared]) for table in (own, plain))
    row["dice_image_gain"] = float((ours - theirs).mean())
    row["p"] = permutation_test(ours, theirs, [groups[key] for key in shared])
    return row


def _per_picture(columns: Columns) -> dict[str, float]:
    """Mean Dice of each picture over the folds and seeds that scored it."""
    found: dict[str, list[float]] = {}
    for name, value in zip(columns["id"], columns["dice"], strict=True):
        found.setdefault(str(name), []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _tuned(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Threshold and cleaning of each fold, chosen on its validation part."""
    from segkit.engine.evaluating.tune import tune

    rows = []
    for fold in evaluation.folds:
        val, test = evaluation.ids(fold, "val"), evaluation.ids(fold)
        if not evaluation.own or not val:
            raise UsageError("--tune needs the run's own validation part", "it is empty here")
        found = tune(
            _segmenter(evaluation, fold, evaluation.base_tta), evaluation.prepared, val, test
        )
        rows.append({"fold": fold.index, "seed": fold.seed, **found})
    return rows


def label(settings: EvaluationSettings, evaluation: Evaluation) -> str:
    """The file name of an evaluation that is not the plain one; empty for the plain one."""
    words = [] if evaluation.own else [evaluation.prepared.name]
    words += [evaluation.split] if evaluation.split not in ("test", "all") else []
    words += [settings.at] if settings.at != "prepared" else []
    return "-".join(words)


def _save(evaluation: Evaluation, columns: Columns, made: dict[str, Any]) -> None:
    run, name = evaluation.run, label(evaluation.settings, evaluation)
    if name:
        folder = run.path / "evaluations"
        write_cases(folder / f"{name}-cases.csv", columns, run.selection)
        paths.write_json(folder / f"{name}.json", finite(made))
        return
    for fold in evaluation.folds:
        chosen = (columns["fold"] == fold.index) & (columns["seed"] == str(fold.seed))
        if chosen.any():
            own = {key: values[chosen] for key, values in columns.items()}
            write_cases(fold.cases_csv, own, run.selection)
    paths.write_json(run.path / "summary.json", finite(made))


def finite(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
