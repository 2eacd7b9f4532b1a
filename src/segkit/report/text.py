"""The report as text: Markdown, LaTeX, plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.report.reading import Entry, read_entries
from segkit.report.sections import notices
from segkit.report.table import Column, as_latex, as_markdown, build_table
from segkit.report.ties import ties


def as_text(runs: Sequence[Path], kind: str, cost: bool = True) -> str:
    """The table of runs as `md` or `latex`, with what a reader must know below it."""
    entries = read_entries(runs, cost)
    compared = ties(entries)
    table = build_table(entries, compared)
    if kind == "latex":
        remarks = [f"% {line}" for line in _remarks(entries)]
        return "\n".join([*remarks, as_latex(table)])
    remarks = [f"- {line}" for line in _remarks(entries)]
    return as_markdown(table) + "\n" + "\n".join(remarks) + "\n"


def _remarks(entries: Sequence[Entry]) -> list[str]:
    lines = ["95 % confidence intervals in brackets; the best figure of a column is bold."]
    lines += ["Runs that share a letter under Ties cannot be told apart (paired test, 5 %)."]
    lines += notices(entries)
    commands = [(e.label, e.run.environment.get("command", "")) for e in entries]
    return lines + [f"{label}: {command}" for label, command in commands if command]


def as_values(runs: Sequence[Path], cost: bool = True) -> list[dict[str, Any]]:
    """One object per run: the figures of the table as numbers."""
    entries = read_entries(runs, cost)
    compared = ties(entries)
    letters = {label: text for group in compared for label, text in group.letters.items()}
    table = build_table(entries, compared)
    return [
        {
            "run": entry.label,
            "architecture": entry.architecture,
            "data": entry.data,
            "selection": entry.selection,
            "ties": letters.get(entry.label, ""),
            **{c.key: _value(entry, c) for c in table.columns if c.numeric},
        }
        for entry in table.entries
    ]


def _value(entry: Entry, column: Column) -> Any:
    if column.key in entry.cost:
        return entry.cost[column.key]
    score = entry.score(column.key)
    return {"mean": score.mean, "ci95": [score.low, score.high]}
