"""Score a run: its test part, another dataset, with test-time augmentation, as an ensemble.

`evaluate_run` returns the `evaluate --json` document. The plain evaluation writes `cases.csv` in
every fold and `summary.json`; every other one writes into `run/evaluations/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit import paths
from segkit.data.groups import groups_of
from segkit.data.prepare import ensure_prepared
from segkit.data.protocols import PROTOCOLS
from segkit.data.sources import all_names
from segkit.data.sources import dataset as describe_dataset
from segkit.data.store import PreparedSet, open_prepared
from segkit.engine.evaluate_cases import BATCH, Columns, Plan, measure_part
from segkit.engine.evaluate_files import write_cases
from segkit.engine.evaluate_summary import document, metrics, resampler, units
from segkit.engine.runs import FoldDir, Run, open_run
from segkit.errors import SegkitError, UsageError, unknown
from segkit.metrics import cases
from segkit.metrics.protocols import CONVENTIONS
from segkit.metrics.statistics import permutation_test

if TYPE_CHECKING:
    from segkit.engine.inference import Segmenter

PARTS = ("train", "val", "test")
EXTRA_OF = {"fundus": ("cldice",), "microscopy": ("objects",)}  # by the dataset's modality


@dataclass(frozen=True)
class Settings:
    """How a run is scored."""

    data: str | None = None  # None: the run's own
    split: str = "test"
    at: str = "prepared"
    tta: str = "none"
    ensemble: bool = False
    protocol: str | None = None
    device: str = "auto"
    engine: str = "auto"  # of the surface distances
    tolerance: float = 2.0
    extras: tuple[str, ...] | None = None  # None: by the kind of pictures
    tune: bool = False
    batch: int = BATCH
    resamples: int = 2000
    interval: str = "bca"
    save: bool = True


@dataclass
class Bench:
    """A run, the pictures it is scored on, and how."""

    run: Run
    prepared: PreparedSet
    settings: Settings
    own: bool
    scoring: tuple[str, ...] | None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def groups(self) -> dict[str, str]:
        """Pictures that belong together: patients, tiles of a field, copies."""
        return groups_of(self.prepared, None)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are scored one by one: those that run and set have in common."""
        same = len(self.run.card["classes"]) == len(self.prepared.classes)
        return self.prepared.classes if same else (*self.prepared.classes[:1], "foreground")

    @property
    def base_tta(self) -> str:
        """The augmentation that belongs to the run's recipe."""
        return self.run.recipe.evaluate.tta

    @property
    def split(self) -> str:
        """Which part is scored; a foreign dataset is scored whole unless a part is named."""
        return "all" if not self.own and self.settings.split == "test" else self.settings.split

    @property
    def folds(self) -> list[FoldDir]:
        """The folds that have a checkpoint."""
        found = [fold for fold in self.run.folds if fold.best.is_file()]
        if not found:
            raise SegkitError(f"{self.run.path} cannot be scored", "no fold has a checkpoint yet")
        return found

    def ids(self, fold: FoldDir, part: str | None = None) -> list[str]:
        """The pictures that a fold is scored on."""
        part = part or self.split
        if self.own:
            return list(getattr(self.run.split.folds[fold.index], part))
        items = self.prepared.items
        return [item["id"] for item in items if part == "all" or item.get("part") == part]

    def plan(self) -> Plan:
        """What is measured."""
        s = self.settings
        wanted = cases.Wanted(
            tolerance=s.tolerance,
            engine=s.engine,  # type: ignore[arg-type]
            extras=_extras(self.prepared.name) if s.extras is None else s.extras,
            classes=self.classes,
            evidence=self.scoring is not None,
        )
        wants_original = self.scoring is not None and self.scoring in ((), ("original",))
        return Plan(wanted, s.at, s.batch, wants_original and s.at == "prepared", self.groups)


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
    """Score a run; the settings are those of `Settings`, the result is the JSON document."""
    opened = run if isinstance(run, Run) else open_run(run)
    settings = Settings(data, split, at, tta or "none", protocol=protocol, device=device, **more)
    bench = _prepare_bench(opened, settings)
    ticker = _Ticker(progress, bench)
    columns = _all_folds(bench, bench.base_tta, ticker)
    draws = resampler(columns, settings.resamples, settings.interval)
    made = document(_head(bench), columns, bench.classes, bench.scoring, draws)
    made["rows"] = _rows(bench, columns, ticker)
    if settings.tune:
        made["tuned"] = _tuned(bench)
    made["notes"] = bench.notes
    if settings.save:
        _save(bench, columns, made)
    return made


def _prepare_bench(run: Run, settings: Settings) -> Bench:
    _among("--at", settings.at, ("prepared", "original"))
    _among("--split", settings.split, (*PARTS, "all"))
    _among("--tta", settings.tta, ("none", "flips", "d4"))
    _among("--engine", settings.engine, ("auto", "native", "python", "medpy", "device"))
    _among("--interval", settings.interval, ("bca", "percentile"))
    own_name = run.card["name"]
    own = settings.data in (None, own_name)
    if own and settings.split == "all":
        raise UsageError("--split all holds pictures that the run was trained on")
    prepared = _own_set(run) if own else _other_set(run, str(settings.data))
    bench = Bench(run, prepared, settings, own, _scoring(run, settings.protocol))
    _check(bench)
    return bench


def _own_set(run: Run) -> PreparedSet:
    """The prepared set that the run was trained on, made again if it is gone."""
    root = Path(run.card.get("root") or "")
    if run.card.get("root") and (root / "manifest.json").is_file():
        return open_prepared(root)
    recipe = replace(run.recipe.data, name=run.card["name"])
    return open_prepared(ensure_prepared(recipe.name, recipe))


def _other_set(run: Run, name: str) -> PreparedSet:
    """Another dataset, prepared as the run's own (size and resizing)."""
    recipe = replace(run.recipe.data, name=name, variant="original")
    return open_prepared(ensure_prepared(name, recipe))


def _among(flag: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{flag} is '{value}'", f"allowed: {', '.join(allowed)}")


def _scoring(run: Run, protocol: str | None) -> tuple[str, ...] | None:
    """The conventions to show: all (), the one named, or the one of the run's own protocol."""
    name = protocol or run.recipe.data.protocol
    if name is None:
        return None
    if name == "all":
        return ()
    if name in CONVENTIONS:
        return (name,)
    if name in PROTOCOLS:
        return (PROTOCOLS[name].scoring,)
    raise unknown("protocol", name, [*CONVENTIONS, *PROTOCOLS, "all"])


def _check(bench: Bench) -> None:
    """Refuse what cannot be scored; note what a reader must know."""
    run, prepared = bench.run, bench.prepared
    if bench.own and run.card.get("hash") not in (None, prepared.manifest.get("hash")):
        bench.notes.append("the prepared set has changed since the run was trained")
    trained = tuple(run.card["classes"])
    if len(trained) != len(prepared.classes):
        bench.notes.append(
            f"the run knows {len(trained)} classes, {prepared.name} has {len(prepared.classes)}: "
            "only foreground against background is comparable"
        )
    if run.selection == "test" and bench.own:
        bench.notes.append("the checkpoint was chosen on the reported part (selection: test)")
    if not any(bench.ids(fold) for fold in bench.folds):
        raise SegkitError(f"there is nothing to score in part '{bench.split}' of {prepared.name}")
    if not bench.own:
        seen = _seen_in_training(bench)
        if seen:
            bench.notes.append(
                f"{seen} pictures of {prepared.name} were in the training part of the run"
            )


def _seen_in_training(bench: Bench) -> int:
    """Pictures of the foreign set whose bytes are those of training pictures."""
    root = Path(bench.run.card.get("root", ""))
    if not (root / "manifest.json").is_file():
        return 0
    known = open_prepared(root)
    trained = {name for fold in bench.run.split.folds for name in (*fold.train, *fold.val)}
    bytes_of = {known.item(name).get("sha256_image") for name in trained if name in known.ids}
    scored = set(bench.ids(bench.folds[0]))
    items = bench.prepared.items
    return sum(item["id"] in scored and item.get("sha256_image") in bytes_of for item in items)


def _extras(name: str) -> tuple[str, ...]:
    """The costly scores that pictures of this kind need; a set that nobody describes needs none."""
    known = name in all_names()
    return EXTRA_OF.get(describe_dataset(name).modality, ()) if known else ()


def _head(bench: Bench) -> dict[str, Any]:
    run, settings = bench.run, bench.settings
    return {
        "run": str(run.path),
        "architecture": run.recipe.architecture,
        "data": bench.prepared.name,
        "trained_on": run.card["name"],
        "split": bench.split,
        "selection": run.selection,
        "at": settings.at,
        "size": list(bench.prepared.size),
        "resize": bench.prepared.resize,
        "tta": bench.base_tta,
        "threshold": run.recipe.evaluate.threshold,
        "tolerance": settings.tolerance,
    }


class _Ticker:
    """Tells the caller's progress bar how much there is; works without one."""

    def __init__(self, progress: Any, bench: Bench):
        self.progress, self.goal = progress, 0
        self.bench = bench

    def begin(self, many: int, what: str) -> Any:
        """So many pictures more."""
        self.goal += many
        if self.progress is not None:
            self.progress.total(self.goal)
            self.progress.describe(what)
        return self.progress


def _segmenter(bench: Bench, fold: Any, tta: str) -> Segmenter:
    from segkit.engine.inference import Segmenter

    return Segmenter.from_run(bench.run, fold=fold, device=bench.settings.device, tta=tta)


def _all_folds(bench: Bench, tta: str, ticker: _Ticker) -> Columns:
    """The cases of every fold, scored by that fold's network."""
    parts = []
    for fold in bench.folds:
        ids = bench.ids(fold)
        if not ids:
            continue
        tick = ticker.begin(len(ids), f"scoring {fold.path.name}")
        part = measure_part(_segmenter(bench, fold, tta), bench.prepared, ids, bench.plan(), tick)
        parts.append(_labelled(part, fold.index, fold.seed))
    return cases.join(parts)


def _labelled(columns: Columns, fold: int, seed: int) -> Columns:
    many = len(columns["id"])
    seeds = np.array([str(seed)] * many, dtype=object)
    return {**columns, "fold": np.full(many, fold), "seed": seeds}


def _rows(bench: Bench, base: Columns, ticker: _Ticker) -> list[dict[str, Any]]:
    """Test-time augmentation and the ensemble of folds, each a row of its own beside the base."""
    rows, tta = [], bench.settings.tta
    if tta != bench.base_tta:
        rows.append(_row(bench, f"tta-{tta}", _all_folds(bench, tta, ticker), base))
    if bench.settings.ensemble:
        columns = _ensemble(bench, ticker)
        rows.append(_row(bench, "ensemble", columns, base))
    return rows


def _ensemble(bench: Bench, ticker: _Ticker) -> Columns:
    """The mean of all networks, on pictures that none of them was trained on."""
    if len(bench.folds) < 2:
        raise UsageError("--ensemble needs a run with several folds or seeds")
    ids = bench.ids(bench.folds[0])
    trained = {n for fold in bench.run.split.folds for n in (*fold.train, *fold.val)}
    if bench.own and trained & set(ids):
        raise UsageError(
            "an ensemble of folds cannot be scored on its own cross-validation set",
            "each picture was trained on by other folds",
            "Score it on another set: --data NAME --ensemble.",
        )
    tick = ticker.begin(len(ids), "scoring the ensemble")
    segmenter = _segmenter(bench, "all", bench.base_tta)
    return _labelled(measure_part(segmenter, bench.prepared, ids, bench.plan(), tick), 0, 0)


def _row(bench: Bench, name: str, columns: Columns, base: Columns) -> dict[str, Any]:
    settings = bench.settings
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


def _tuned(bench: Bench) -> list[dict[str, Any]]:
    """Threshold and cleaning of each fold, chosen on its validation part."""
    from segkit.engine.evaluate_tune import tune

    rows = []
    for fold in bench.folds:
        val, test = bench.ids(fold, "val"), bench.ids(fold)
        if not bench.own or not val:
            raise UsageError("--tune needs the run's own validation part", "it is empty here")
        found = tune(_segmenter(bench, fold, bench.base_tta), bench.prepared, val, test)
        rows.append({"fold": fold.index, "seed": fold.seed, **found})
    return rows


def label(settings: Settings, bench: Bench) -> str:
    """The file name of an evaluation that is not the plain one; empty for the plain one."""
    words = [] if bench.own else [bench.prepared.name]
    words += [bench.split] if bench.split not in ("test", "all") else []
    words += [settings.at] if settings.at != "prepared" else []
    return "-".join(words)


def _save(bench: Bench, columns: Columns, made: dict[str, Any]) -> None:
    run, name = bench.run, label(bench.settings, bench)
    if name:
        folder = run.path / "evaluations"
        write_cases(folder / f"{name}-cases.csv", columns, run.selection)
        paths.write_json(folder / f"{name}.json", _finite(made))
        return
    for fold in bench.folds:
        chosen = (columns["fold"] == fold.index) & (columns["seed"] == str(fold.seed))
        if chosen.any():
            own = {key: values[chosen] for key, values in columns.items()}
            write_cases(fold.cases_csv, own, run.selection)
    paths.write_json(run.path / "summary.json", _finite(made))


def _finite(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
