"""The report as text: Markdown, LaTeX, plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.report.reading import Entry, read_entries
from segkit.report.sections import notices, tie_note
from segkit.report.table import Column, as_csv, as_latex, as_markdown, build_table
from segkit.report.ties import Ties, ties
from segkit.report.wording import INTERNAL, in_words

BRACKETS = "95 % confidence intervals in brackets; the best figure of a column is bold."


TESTED = {"md": f"{INTERNAL}\n\n", "latex": f"% {INTERNAL}\n", "csv": f"# {INTERNAL}\n"}


def as_text(runs: Sequence[Path], kind: str, cost: bool = True, words: str = "plain") -> str:
    """The table of runs as `md`, `latex` or `csv`, with what a reader must know beside it."""
    text = _text(runs, kind, cost)
    return f"{TESTED[kind]}{in_words(text, words)}" if words == "claim" else text


def _text(runs: Sequence[Path], kind: str, cost: bool) -> str:
    entries = read_entries(runs, cost)
    compared = ties(entries)
    table = build_table(entries, compared)
    if kind == "csv":
        head = ["95 % confidence intervals run from the column _low to the column _high."]
        remarks = [f"# {line}" for line in [*head, *_remarks(entries, compared)]]
        return "\n".join([*remarks, as_csv(table)])
    lines = [BRACKETS, *_remarks(entries, compared)]
    if kind == "latex":
        return "\n".join([*(f"% {line}" for line in lines), as_latex(table)])
    remarks = [f"- {line}" for line in lines]
    return as_markdown(table) + "\n" + "\n".join(remarks) + "\n"


def _remarks(entries: Sequence[Entry], compared: Sequence[Ties]) -> list[str]:
    lines = [f"Ties: {tie_note(group)}" for group in compared]
    if compared:
        letters = "Runs that share a letter under Ties cannot be told apart (paired test, 5 %)."
        lines.insert(0, letters)
    lines += notices(entries)
    commands = [(e.label, e.run.environment.get("command", "")) for e in entries]
    return lines + [f"{label}: {command}" for label, command in commands if command]


def as_values(runs: Sequence[Path], cost: bool = True) -> list[dict[str, Any]]:
    """One object per run: the figures of the table as numbers."""
    entries = read_entries(runs, cost)
    compared = ties(entries)
    groups = {label: group for group in compared for label in group.letters}
    table = build_table(entries, compared)
    return [
        {
            "run": entry.label,
            "architecture": entry.architecture,
            "data": entry.data,
            "selection": entry.selection,
            "size": list(entry.grid[:2]),
            "resize": entry.grid[2],
            "n": entry.pictures,
            "ties": groups[entry.label].letters[entry.label] if entry.label in groups else "",
            "ties_n": groups[entry.label].shared if entry.label in groups else None,
            **{c.key: _value(entry, c) for c in table.columns if c.numeric},
        }
        for entry in table.entries
    ]


def _value(entry: Entry, column: Column) -> Any:
    if column.key in entry.cost:
        return entry.cost[column.key]
    score = entry.score(column.key)
    return {"mean": score.mean, "ci95": [score.low, score.high]}
