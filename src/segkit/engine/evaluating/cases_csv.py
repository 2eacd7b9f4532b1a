"""`cases.csv`: one row per case, written and read in one place. Light: no torch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segkit import paths, words
from segkit.engine.runfiles import damaged, read_table
from segkit.errors import SegkitError
from segkit.metrics.table import BUILT_IN

FIXED = [
    "id",
    "fold",
    "group",
    "part",
    "cls",
    "height",
    "width",
    *(metric.name for metric in BUILT_IN if metric.order < 100),
    "tp",
    "fp",
    "fn",
    "tn",
    "empty",
    "area_truth",
    "area_prediction",
    "confidence",
    "ms",
]
MORE = [
    *(metric.name for metric in BUILT_IN if 100 <= metric.order < 200),
    "expected_dice",
    "share",
    "border",
    "contrast",
    "compactness",
    "parts",
    *(metric.name for metric in BUILT_IN if metric.order >= 200),
    "seed",
]
LAST = "selection"  # which part chose the checkpoint: stands in every row
NEEDED = ("id", "dice", "iou")
TEXT = ("id", "group", "part", "cls", "empty", "selection", "seed")
WHOLE = [
    "fold",
    "height",
    "width",
    "tp",
    "fp",
    "fn",
    "tn",
    "area_truth",
    "area_prediction",
    "border",
    "parts",
]


def write_cases(path: Path, columns: Mapping[str, np.ndarray], selection: str) -> Path:
    """Write the columns that a table can hold; per-class columns come after the fixed ones."""
    names = [name for name in (*FIXED, *MORE) if name in columns]
    names += [name for name in columns if _is_class_column(name, columns[name], names)]
    rows = len(columns["id"])
    with (
        paths.replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as f,
    ):
        writer = csv.writer(f)
        writer.writerow([*map(words.cell, names), LAST])
        for i in range(rows):
            writer.writerow([*(_cell(name, columns[name][i]) for name in names), selection])
    return path


def _is_class_column(name: str, values: np.ndarray, taken: Sequence[str]) -> bool:
    hidden = ("canvas_", "original_", "by_", "pre_logit", "sen_logit", "histogram", "reliability")
    return values.ndim == 1 and name not in taken and not name.startswith(hidden)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(words.cell(value))
    if name in WHOLE or name.split("_")[0] in ("tp", "fp", "fn", "tn"):
        return str(int(value))
    return f"{value:.3f}" if name == "ms" else f"{value:.10g}" if np.isfinite(value) else ""


def read_cases(path: Path) -> dict[str, np.ndarray]:
    """The columns of a cases table; an empty number is NaN."""
    if not path.is_file():
        raise SegkitError(
            f"{path} is missing", "the run was not scored", f"segkit evaluate {path.parent.parent}"
        )
    rows = read_table(path, NEEDED)
    if not rows:
        raise SegkitError(f"{path} holds no case")
    try:
        return {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
    except ValueError as error:
        raise damaged(path, str(error)) from error


def _column(name: str, cells: list[str]) -> np.ndarray:
    if name in TEXT:
        return np.array(cells, dtype=object)
    return np.array([float(cell) if cell else np.nan for cell in cells])


def read_run_cases(folds: Sequence[Any]) -> dict[str, np.ndarray]:
    """The cases of several folds as one table, with the columns that all have."""
    tables = [read_cases(fold.cases_csv) for fold in folds]
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: np.concatenate([table[name] for table in tables]) for name in shared}
