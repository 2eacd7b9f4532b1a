"""The cells of a table, however it is written: CSV, Markdown, LaTeX; with headers of several rows.

Stdlib only.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from segkit.metrics.auditing import latex

NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")  # under a Markdown header
COMMENT = re.compile(r"#(?:\s|\w+:|$)")


@dataclass(frozen=True)
class Grid:
    """One table: a header per column, and rows with the title of the section each stands in."""

    header: list[str]
    rows: list[list[str]]
    sections: list[str]


def grids_of(text: str) -> list[Grid]:
    """Every table of a LaTeX or Markdown text, or the table of a CSV text."""
    if latex.is_latex(text):
        return [_headed(one.rows, one.head) for one in latex.tables(text)]
    lines = text.splitlines()
    rules = [i for i in range(1, len(lines)) if "|" in lines[i - 1] and RULE.fullmatch(lines[i])]
    raw = [_markdown(lines, rule) for rule in rules] if rules else [_csv(lines)]
    return [_headed(rows, None) for rows in raw if len(rows) > 1]


def _headed(rows: list[list[str]], head: int | None) -> Grid:
    """The header rows become one header; `head` says how many there are, if the table does."""
    many = head if head is not None and head < len(rows) else _header_rows(rows)
    if head is not None and any(_figures(row) for row in rows[1:head]):
        many = _header_rows(rows)  # a rule further down: not the one below the header
    header = rows[0]
    for lower in rows[1:many]:
        header = _joined(header, lower)
    return Grid(header, *_sections(rows[many:], len(header)))


def _header_rows(rows: Sequence[Sequence[str]]) -> int:
    """The first row, and further ones of words alone that name columns below others."""
    many = 1
    while many < min(len(rows) - 1, 3) and _is_lower_header(rows[0], rows[many]):
        many += 1
    return many


def _is_lower_header(first: Sequence[str], row: Sequence[str]) -> bool:
    from segkit.metrics.auditing.headers import heading

    named = [cell for cell in row[1:] if cell.strip()]
    scores = sum(heading(cell) is not None for cell in named)
    return bool(named) and not _figures(row) and 2 * scores >= len(named)


def _figures(row: Sequence[str]) -> bool:
    """Whether a row holds figures besides its name."""
    return any(re.match(r"\W*[-+]?[.,]?\d", cell) for cell in row[1:])


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """`ISIC 2017` over `Dice`, `IoU`: an empty cell above belongs to its neighbour on the left."""
    found, last = [], ""
    for column in range(max(len(upper), len(lower))):
        above = upper[column].strip() if column < len(upper) else ""
        below = lower[column].strip() if column < len(lower) else ""
        last = above or (last if below and column else "")
        found.append(f"{last} {below}".strip() if below != last else below)
    return found


def _sections(rows: Sequence[list[str]], wide: int) -> tuple[list[list[str]], list[str]]:
    """The rows, and for each the line of one cell over the whole width that stands above it."""
    kept, titles, title = [], [], ""
    for row in rows:
        filled = list(dict.fromkeys(cell for cell in row if cell.strip()))
        if wide > 2 and len(filled) == 1 and not _figures(row):
            title = filled[0]
        elif filled:
            kept.append(row)
            titles.append(title)
    return kept, titles


def _markdown(lines: Sequence[str], rule: int) -> list[list[str]]:
    """The table around a rule, without it."""
    rows = [lines[rule - 1]]
    for line in lines[rule + 1 :]:
        if "|" not in line:
            break
        rows.append(line)
    return [[_cell(cell) for cell in _pieces(row)] for row in rows]


def _pieces(row: str) -> list[str]:
    return re.split(r"(?<!\\)\|", re.sub(r"(?<!\\)\|$", "", row.strip().removeprefix("|")))


def _cell(text: str) -> str:
    return text.replace("\\|", "|").strip()


def _csv(lines: Sequence[str]) -> list[list[str]]:
    lines = [line for line in lines if line.strip() and not COMMENT.match(line)]
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
