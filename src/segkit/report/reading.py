"""What the report knows of a run, read from its folder: scores, cases, curves, settings, cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from segkit.data.splitting.protocols import followed
from segkit.engine.evaluating import cases_csv
from segkit.engine.evaluating.grids import Grid, percent_of_diagonal
from segkit.engine.runfiles import read_table
from segkit.engine.runs import FoldDir, Run, list_runs, open_run
from segkit.errors import SegkitError
from segkit.recipe import to_dict

TEXT = frozenset(cases_csv.TEXT)
PERCENT = "hd95_percent"  # of the diagonal: made here, where grids differ


@dataclass(frozen=True)
class Score:
    """A figure with its interval; NaN where there is none."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan

    @property
    def known(self) -> bool:
        return math.isfinite(self.mean)


@dataclass
class Entry:
    """One run in a report."""

    run: Run
    label: str
    cost: dict[str, Any] = field(default_factory=dict)  # params, macs, flops, scan_ops

    @property
    def architecture(self) -> str:
        return self.run.recipe.architecture

    @property
    def data(self) -> str:
        return str(self.run.card.get("name", "?"))

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.run.card.get("classes", ("background", "foreground")))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The document of `segkit evaluate`; empty while the run is not scored."""
        return self.run.summary or {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a column of another distribution is worked out from, as plain data."""
        return {
            "recipe": to_dict(self.run.recipe),
            "summary": self.summary,
            "environment": self.run.environment,
            "cost": self.cost,
        }

    @property
    def grid(self) -> Grid:
        """The grid that the run was scored on."""
        high, wide = self.summary.get("size") or self.run.recipe.data.size
        return int(high), int(wide), str(self.summary.get("resize", self.run.recipe.data.resize))

    @property
    def pictures(self) -> int:
        """How many test pictures it was scored on."""
        return int(self.summary.get("n", len(self.cases)))

    @property
    def metrics(self) -> dict[str, Any]:
        return self.summary.get("metrics", {})

    @property
    def selection(self) -> str:
        return str(self.summary.get("selection", self.run.selection))

    @property
    def protocol(self) -> str:
        """The protocol that was followed: its split, size and selection."""
        return followed(self.run.recipe.data, self.run.selection)

    @cached_property
    def cases(self) -> list[dict[str, Any]]:
        """The rows of every fold's cases.csv, figures as numbers."""
        return [row for fold in self.run.folds for row in read_cases(fold)]

    @cached_property
    def hd95_percent(self) -> Any:
        """HD95 in per cent of the diagonal: comparable between grids."""
        names = ("hd95", "height", "width")
        known = self.cases and all(name in self.cases[0] for name in names)
        columns = {name: [row[name] for row in self.cases] for name in names} if known else {}
        return percent_of_diagonal(self.metrics.get("hd95") or {}, columns, self.grid)

    def score(self, metric: str) -> Score:
        """A metric of the summary by its full name, such as `dice_image`."""
        found = self.hd95_percent if metric == PERCENT else self.metrics.get(metric)
        if found is None:
            return Score()
        if not isinstance(found, dict):
            return Score(number(found))
        low, high = found.get("ci95") or (None, None)
        return Score(*(number(value) for value in (found.get("mean"), low, high, found.get("sd"))))


def read_cases(fold: FoldDir) -> list[dict[str, Any]]:
    """The rows of a fold's cases.csv: text stays, the rest becomes numbers, empty cells NaN."""
    if not fold.cases_csv.is_file():
        return []
    rows = read_table(fold.cases_csv, cases_csv.NEEDED)
    return [{key: v if key in TEXT else number(v) for key, v in row.items()} for row in rows]


def number(value: Any) -> float:
    """A cell as a float; NaN where it holds no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def read_entries(runs: Sequence[Path | str], cost: bool = True) -> list[Entry]:
    """Open the runs and give each a label of its own."""
    opened = [open_run(path) for path in runs]
    if not opened:
        raise SegkitError("no run to report", "none was named", "List them: segkit runs")
    entries = [Entry(run, label) for run, label in zip(opened, _labels(opened), strict=True)]
    if cost:
        for entry in entries:
            entry.cost = _cost(entry.run)
    return entries


def expand(folders: Sequence[Path | str]) -> list[Path]:
    """Runs as they are; a folder that is no run stands for the runs below it."""
    found: list[Path] = []
    for folder in map(Path, folders):
        inside = [] if (folder / "recipe.json").is_file() else [r.path for r in list_runs(folder)]
        found += inside or [folder]
    return list(dict.fromkeys(found))


def _labels(runs: Sequence[Run]) -> list[str]:
    """Folder names; where two are alike, with as much of the path as tells them apart."""
    paths = [run.path.resolve() for run in runs]
    labels = []
    for path in paths:
        depth = 1
        while sum(other.parts[-depth:] == path.parts[-depth:] for other in paths) > 1:
            depth += 1
            if depth > len(path.parts):
                break
        labels.append("/".join(path.parts[-depth:]))
    return labels


def _cost(run: Run) -> dict[str, Any]:
    """Parameters and operations at the size of the run; empty if the network cannot be built."""
    from segkit import build
    from segkit.engine.costs.counting import count

    try:
        network = build.create(run.recipe.architecture, **run.recipe.model).eval()
        counted = count(network, (1, 3, *run.recipe.data.size))
    except SegkitError:  # the plugin of a foreign run is not installed here
        return {}
    return {
        "params": sum(parameter.numel() for parameter in network.parameters()),
        "macs": counted.macs,
        "flops": counted.flops,
        "scan_ops": counted.scan_ops,
    }
