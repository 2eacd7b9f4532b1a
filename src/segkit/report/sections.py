"""What stands in each section of the report, as plain values for the templates."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from segkit.engine import registration
from segkit.engine.evaluating.grids import grid_name
from segkit.metrics.intervals import FEW, too_few
from segkit.metrics.published import rows_on
from segkit.metrics.statistics import LEVEL
from segkit.recipe import differing_keys, to_dict
from segkit.report import charts
from segkit.report.reading import Entry
from segkit.report.table import Column, Table, as_plain, interval, scores
from segkit.report.ties import Ties


def result(entries: Sequence[Entry], table: Table, compared: Sequence[Ties]) -> dict[str, Any]:
    """The headline: figures of a single run as cards, several runs as a table."""
    single = entries[0] if len(entries) == 1 else None
    if len({entry.data for entry in entries}) == 1:
        table = table.without("data")  # the title says it
    columns = [{**vars(column), "sorted": column.key == "dice_image"} for column in table.columns]
    colours = {entry.label: index for index, entry in enumerate(entries)}
    rows = [
        {"cells": [vars(cell) for cell in row], "colour": colours[entry.label] % charts.COLOURS}
        for row, entry in zip(table.rows, table.entries, strict=True)
    ]
    return {
        "sentence": _sentence(single) if single else "",
        "cards": _cards(single) if single else [],
        "badges": _badges(entries),
        "columns": columns,
        "rows": rows,
        "caption": "Best first. 95 % intervals in brackets; the best figure of a column is bold.",
        "notes": [tie_note(group) for group in compared],
        "published": _published(entries),
    }


def _published(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Published rows on the datasets of the report, as printed."""
    rows = [row for data in sorted({entry.data for entry in entries}) for row in rows_on(data)]
    return [
        {
            "name": row.name,
            "data": row.data,
            "dice": as_plain(row.scores.get("dice")),
            "iou": as_plain(row.scores.get("iou")),
            "params": as_plain(row.params_m, 2),
            "gflops": as_plain(row.gflops, 2),
            "aggregation": row.aggregation,
            "selection": row.selection,
            "source": row.source,
        }
        for row in rows
    ]


def _sentence(entry: Entry) -> str:
    size = " × ".join(str(side) for side in entry.run.recipe.data.size)
    count = entry.summary.get("n", len(entry.cases))
    return (
        f"{entry.architecture} on {entry.run.card.get('title') or entry.data}: "
        f"{count} test pictures at {size} pixels, none of them seen in training."
    )


def _cards(entry: Entry) -> list[dict[str, str]]:
    return [
        {
            "what": column.title,
            "value": as_plain(entry.score(column.key).mean, column.digits),
            "interval": f"95 %: {interval(entry.score(column.key), column.digits)}",
            "meaning": column.plain,
        }
        for column in scores()
        if entry.score(column.key).known
    ]


def _badges(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found = [_badge(f"data: {name}", "the dataset") for name in sorted({e.data for e in entries})]
    for protocol in sorted({entry.protocol for entry in entries} - {""}):
        found.append(_badge(f"protocol: {protocol}", "split, size, selection and scoring"))
    kinds = {entry.selection for entry in entries}
    if "val" in kinds:
        found.append(_badge("selection: validation", "the test part was not looked at"))
    if "test" in kinds:
        some = "" if len(kinds) == 1 else " (some runs)"
        found.append(_badge(f"selection: test part{some}", "it chose the checkpoint", warn=True))
    for trials in sorted({entry.run.recipe.train.trials for entry in entries} - {0}):
        found.append(_badge(f"settings: best of {trials} trials", "chosen on the validation part"))
    return found


def _badge(text: str, why: str, warn: bool = False) -> dict[str, Any]:
    return {"text": text, "why": why, "warn": warn}


def tie_note(group: Ties) -> str:
    if not group.pairs:
        return f"{group.data}: {group.note}"
    tied = [f"{pair.a} and {pair.b}" for pair in group.pairs if pair.p_holm >= LEVEL]
    found = "; ".join(tied[:6]) + (" …" if len(tied) > 6 else "")
    text = f"{group.data}: compared picture by picture on {group.shared} shared test pictures. " + (
        f"Cannot be told apart: {found}." if tied else "All can be told apart."
    )
    finite = [pair.detectable for pair in group.pairs if math.isfinite(pair.detectable)]
    if finite:
        text += f" Differences under about {max(finite):.3f} Dice would go unseen on this set."
    return f"{text} {group.note}".strip()


def notices(entries: Sequence[Entry]) -> list[str]:
    """What a reader must know before the figures."""
    found = []
    on_test = [entry.label for entry in entries if entry.selection == "test"]
    if on_test:
        found.append(
            f"The checkpoint of {', '.join(on_test)} was chosen on the test part: the score is "
            "optimistic and not comparable with one that was chosen on a validation part."
        )
    found += _of_grids(entries)
    unscored = [entry.label for entry in entries if not entry.metrics]
    if unscored:
        found.append(f"Not scored yet: {', '.join(unscored)}. Run: segkit evaluate RUN")
    said = {entry.label: registration.statement(entry.run) for entry in entries}
    found += [f"{label}: {text}" for label, text in said.items() if text]
    for entry in entries:
        drawn = entry.summary.get("interval") or {}
        few = too_few(drawn.get("units", FEW), drawn.get("unit", "case"))
        found += [f"{entry.label}: {few}."] if few else []
        found += _of_trainings(entry)
        state = entry.run.state
        if "/" in state and not state.startswith("0/0"):
            found.append(f"{entry.label}: {state} folds are finished; the rest is still to come.")
    return found


def _of_trainings(entry: Entry) -> list[str]:
    """How far another training may lie, where a run has several."""
    several = entry.summary.get("trainings") or {}
    dice = entry.metrics.get("dice_image") or {}
    ends = dice.get("ci95_trainings") if several else None
    if not ends:
        return []
    return [
        f"{entry.label}: the intervals of the table are over pictures. Over pictures and trainings "
        f"({several['trainings']} {several['unit']}s), the Dice per image lies in {ends[0]:.3f} to "
        f"{ends[1]:.3f} (95 %)."
    ]


def _of_grids(entries: Sequence[Entry]) -> list[str]:
    """Scores of different grids beside each other."""
    grids = sorted({entry.grid for entry in entries if entry.metrics})
    if len(grids) < 2:
        return []
    return [
        f"These runs were scored at different sizes ({', '.join(map(grid_name, grids))}): pixels "
        "of HD95 are not comparable and not ranked, per cent of the diagonal are; overlap moves a "
        "little with the size. The same grid for all: segkit evaluate RUN --at original."
    ]


def matrix(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Networks against datasets, and what differs between runs of one network; None if neither."""
    tables = []
    data = sorted({entry.data for entry in entries})
    if len(data) > 1:
        tables.append(_data_matrix(entries, data))
    tables += [_ablation(runs) for runs in _ablations(entries)]
    if not tables:
        return None
    return {
        "sentence": "Dice per image, mean and 95 % interval; the stronger the colour, the better.",
        "tables": tables,
    }


def _data_matrix(entries: Sequence[Entry], data: Sequence[str]) -> dict[str, Any]:
    rows = []
    for name in dict.fromkeys(entry.architecture for entry in entries):
        found = {entry.data: entry for entry in entries if entry.architecture == name}
        rows.append({"name": name, "cells": [_shaded(found.get(each)) for each in data]})
    return {"caption": "Networks and datasets", "corner": "Network", "columns": data, "rows": rows}


def _shaded(entry: Entry | None) -> dict[str, Any]:
    score = entry.score("dice_image") if entry else None
    if score is None or not score.known:
        return _unshaded("–")
    shade = round(8 + 42 * max(0.0, min(1.0, score.mean)) ** 3)
    return {"text": f"{score.mean:.4f}", "interval": interval(score, 3), "shade": shade}


def _unshaded(text: str) -> dict[str, Any]:
    return {"text": text, "interval": "", "shade": 0}


def _ablations(entries: Sequence[Entry]) -> list[list[Entry]]:
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.architecture, entry.data), []).append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _ablation(runs: Sequence[Entry]) -> dict[str, Any]:
    recipes = [to_dict(entry.run.recipe) for entry in runs]
    keys = sorted({k for one in recipes[1:] for k in differing_keys(recipes[0], one)})[:8]
    rows = [
        {
            "name": entry.label,
            "cells": [_unshaded(_setting(recipe, key)) for key in keys] + [_shaded(entry)],
        }
        for entry, recipe in zip(runs, recipes, strict=True)
    ]
    caption = f"{runs[0].architecture} on {runs[0].data}: what differs between the runs"
    return {"caption": caption, "corner": "Run", "columns": [*keys, "Dice"], "rows": rows}


def _setting(recipe: dict[str, Any], dotted: str) -> str:
    value: Any = recipe
    for part in dotted.split("."):
        value = value.get(part, "–") if isinstance(value, dict) else "–"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


FEATURES = {
    "share": "Size of the truth (share of the picture)",
    "border": "Contact with the border",
    "contrast": "Contrast to the surroundings",
    "compactness": "Compactness (1 is a disc)",
    "parts": "Number of parts",
    "ita": "Skin tone around the lesion (ITA)",
}


def slices(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Dice per image by kind of case, for the runs on each dataset."""
    tables = []
    for data in dict.fromkeys(entry.data for entry in entries):
        runs = [entry for entry in entries if entry.data == data and entry.cases]
        tables += [table for table in _slice_tables(runs, data) if len(table["rows"]) > 1]
    if not tables:
        return None
    sentence = (
        "Where the networks are strong and weak: mean Dice per image of parts of the test set."
    )
    return {"sentence": sentence, "tables": tables}


def _slice_tables(runs: Sequence[Entry], data: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, dict[str, tuple[int, float]]]] = {}
    for entry in runs:
        for row in entry.summary.get("slices", []):
            titled = FEATURES.get(row["feature"], row["feature"])
            values = found.setdefault(titled, {}).setdefault(row["slice"], {})
            values[entry.label] = (row["n"], row["dice_image"])
        for name, dice in _by_kind(entry).items():
            values = found.setdefault("Kind of case", {}).setdefault(name, {})
            values[entry.label] = (len(dice), float(np.mean(dice)))
    labels = [entry.label for entry in runs]
    return [_slice_table(title, data, labels, rows) for title, rows in found.items()]


def _by_kind(entry: Entry) -> dict[str, list[float]]:
    kinds: dict[str, list[float]] = {}
    for row in entry.cases:
        if row.get("cls"):
            kinds.setdefault(str(row["cls"]), []).append(row["dice"])
    return dict(sorted(kinds.items()))


def _slice_table(
    title: str, data: str, labels: Sequence[str], rows: dict[str, dict[str, tuple[int, float]]]
) -> dict[str, Any]:
    written = []
    for name, values in rows.items():
        cells = [str(max(count for count, _ in values.values()))]
        cells += [as_plain(values[label][1], 3) if label in values else "–" for label in labels]
        written.append({"name": name, "cells": cells})
    columns = ["Pictures", *labels]
    return {"caption": data, "corner": title, "columns": columns, "rows": written}


def details(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What each run depends on: command, data card, environment, settings."""
    return [
        {
            "title": f"{entry.label}: {entry.architecture} on {entry.data}",
            "command": entry.run.environment.get("command", ""),
            "blocks": [
                {"title": "Data", "rows": _flat(entry.run.card)},
                {"title": "Cost", "rows": _flat(entry.cost)},
                {"title": "Environment", "rows": _flat(entry.run.environment, skip=("command",))},
            ],
            "recipe": json.dumps(to_dict(entry.run.recipe), indent=2, ensure_ascii=False),
        }
        for entry in entries
    ]


def _flat(
    values: dict[str, Any], skip: Sequence[str] = (), limit: int = 300
) -> list[tuple[str, str]]:
    rows = []
    for key, value in values.items():
        if key in skip or value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((key.replace("_", " "), text if len(text) <= limit else text[:limit] + " …"))
    return rows


__all__ = ["Column", "details", "matrix", "notices", "result", "slices"]
