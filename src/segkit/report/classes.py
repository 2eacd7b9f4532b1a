"""The report's section of runs with several classes: each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segkit.report.reading import Entry

FIGURES = {
    "dice_present": "Dice where it is",
    "dice_image": "Dice (per image)",
    "iou_image": "IoU (per image)",
    "dice_pooled": "Dice (pooled)",
}
SENTENCE = (
    "Every class against the rest, with 95 % intervals. “Dice where it is” leaves out the pictures "
    "without the class; in the other figures a picture that rightly has none counts as 1."
)


def section(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """A table for each run of several classes, like those of the slices; None without one."""
    several = [entry for entry in entries if entry.summary.get("classes")]
    if not several:
        return None
    return {"sentence": SENTENCE, "tables": [_table(entry) for entry in several]}


def _table(entry: Entry) -> dict[str, Any]:
    found = entry.summary["classes"]
    rows = [{"name": name, "cells": _cells(one)} for name, one in found.items()]
    columns = ["Pictures", "Predicted in", *FIGURES.values()]
    return {"caption": entry.label, "corner": "Class", "columns": columns, "rows": rows}


def _cells(one: dict[str, Any]) -> list[str]:
    counts = [str(one.get(name, "")) for name in ("pictures", "predicted")]
    return counts + [_figure(one.get(name)) for name in FIGURES]


def _figure(score: dict[str, Any] | None) -> str:
    """A class that no picture has was scored nowhere."""
    if score is None or score["mean"] is None:
        return "–"
    if score["ci95"] is None:
        return f"{score['mean']:.3f}"
    low, high = score["ci95"]
    return f"{score['mean']:.3f} [{low:.3f}, {high:.3f}]"
