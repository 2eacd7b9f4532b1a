"""Read a results table, CSV or Markdown, long or wide, into rows of named figures. Stdlib only.

Long: a column names the dataset (`data`), others are metrics. Wide: a header such as `ISIC2016
Dice` or `PH2 DSC/IoU/P/R`, whose cells then hold as many figures. A figure keeps its printed
decimals.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segkit.errors import SegkitError, UsageError

ALIASES = {
    "dice": "dice dsc dc f1 mdice mdsc dsc/f1",
    "iou": "iou miou jaccard jac ji jsc mjaccard ja",
    "acc": "acc accuracy",
    "mae": "mae",
    "pre": "pre prec precision p ppv",
    "sen": "sen sens se sensitivity recall rec r tpr",
    "spe": "spe spec sp specificity tnr",
}
METRICS = {alias: name for name, aliases in ALIASES.items() for alias in aliases.split()}
NAME_HEADERS = ("method", "methods", "model", "models", "network", "name", "architecture")
DATA_HEADERS = ("data", "dataset", "set")
NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")  # under a Markdown header
COMMENT = re.compile(r"#(?:\s|\w+:|$)")
# figures that a table may hold besides scores
OTHER = re.compile(r"#|param|flop|mac|fps|time|latency|year|size|memory|epoch|\bn\b|\bid\b", re.I)


@dataclass(frozen=True)
class Cell:
    """A figure as printed: its value as a share of 1, and half a unit of its last decimal."""

    value: float
    half: float
    text: str
    column: str
    scale: float = 1.0  # what 1 is printed as


@dataclass(frozen=True)
class Row:
    """One method on one dataset."""

    name: str
    data: str
    cells: dict[str, Cell]
    more: dict[str, str] = field(default_factory=dict)  # columns that are no scores

    @property
    def columns(self) -> list[str]:
        """The headers of its figures."""
        return [cell.column for cell in self.cells.values()]


@dataclass(frozen=True)
class Table:
    """Rows with what the file says of itself (`# key: value` lines)."""

    rows: tuple[Row, ...]
    about: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # how it was read, where a reader should know


def read_table(path: Path, columns: str | None = None) -> Table:
    """Read a file; `columns` names the figures of cells such as `4.98/89.56/83.61`."""
    return parse_table(read_text(path, "table"), columns, str(path))


def read_text(path: Path, what: str) -> str:
    """The text of a file that a person named."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be read", error.strerror) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} cannot be read", "it is not UTF-8 text") from error


def parse_table(text: str, columns: str | None = None, name: str = "the table") -> Table:
    """Parse the text of a CSV table, or of all tables of a Markdown text."""
    grids = [grid for grid in grids_of(text) if len(grid) > 1]
    if not grids:
        raise SegkitError(f"{name} holds no table", "a header and at least one row are expected")
    rows: list[Row] = []
    notes: list[str] = []
    for grid in grids:
        found = _raw_rows(grid[0], grid[1:], columns or _compound_in(text, grid))
        scales = _scales(found)
        rows += [Row(label, at, _cells(cells, scales), more) for label, at, cells, more in found]
        notes += _unread(found) + _mixed_scales(scales)
    if not any(row.cells for row in rows):
        known = ", ".join(sorted(ALIASES))
        raise SegkitError(f"{name} holds no figure that is understood", f"known: {known}")
    return Table(tuple(rows), _about(text), tuple(dict.fromkeys(notes)))


def grids_of(text: str) -> list[list[list[str]]]:
    """The cells of a CSV text, or of each table of a Markdown text."""
    lines = text.splitlines()
    rules = [i for i in range(1, len(lines)) if "|" in lines[i - 1] and RULE.fullmatch(lines[i])]
    return [_markdown(lines, rule) for rule in rules] if rules else [_csv(lines)]


def _unread(raw: Sequence[RawRow]) -> list[str]:
    """Columns of numbers that are no score that is known, and no cost either."""
    strange = {
        header
        for *_, more in raw
        for header, cell in more.items()
        if NUMBER.fullmatch(cell.strip("*_ %")) and not OTHER.search(header)
    }
    return [f"columns not understood: {', '.join(sorted(strange))}"] if strange else []


def _mixed_scales(scales: dict[str, float]) -> list[str]:
    shares = [name for name, scale in scales.items() if scale == 1.0]
    if not shares or len(shares) == len(scales):
        return []
    return [f"read as shares of 1 beside percents: {', '.join(shares)}"]


def _about(text: str) -> dict[str, str]:
    found = re.findall(r"^#\s*(\w+):\s*(.+?)\s*$", text, flags=re.MULTILINE)
    return dict(found)


def _markdown(lines: Sequence[str], rule: int) -> list[list[str]]:
    """The table around a rule, without it."""
    rows = [lines[rule - 1]]
    for line in lines[rule + 1 :]:
        if "|" not in line:
            break
        rows.append(line)
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]


def _csv(lines: Sequence[str]) -> list[list[str]]:
    lines = [line for line in lines if line.strip() and not COMMENT.match(line)]
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]


def _plain(header: str) -> str:
    """A header without arrows, units and markup."""
    return re.sub(r"\(.*?\)|[↑↓%*_`]", " ", header).strip()


def metric(word: str) -> str | None:
    """The metric that a word or two stand for: Dice, `F1-Score`, `Jaccard index`, `Sens.`."""
    plain = re.sub(r"[\s.\-]", "", _plain(word).lower())
    short = re.sub(r"(?<=.)(?:scores?|index|coefficients?|coeff?|rate)$", "", plain)
    return METRICS.get(plain) or METRICS.get(short)


def _compound_in(text: str, grid: Sequence[Sequence[str]]) -> str | None:
    """A list such as `MAE / Dice / IoU` near the table that names the parts of its cells."""
    if not any("/" in cell for row in grid[1:] for cell in row[1:]):
        return None
    for found in re.findall(r"[\w-]+(?:\s*/\s*[\w-]+)+", text):
        if all(metric(part) for part in found.split("/")):
            return str(found)
    return None


RawCell = tuple[str, str, str]  # metric, text, column
RawRow = tuple[str, str, list[RawCell], dict[str, str]]


def _raw_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], compound: str | None
) -> list[RawRow]:
    plain = [_plain(cell).lower() for cell in header]
    name = next((i for i, cell in enumerate(plain) if cell in NAME_HEADERS), 0)
    data = next((i for i, cell in enumerate(plain) if cell in DATA_HEADERS), None)
    found: list[RawRow] = []
    for row in rows:
        by_data: dict[str, list[RawCell]] = {}
        more: dict[str, str] = {}
        own = row[data] if data is not None and data < len(row) else ""
        for i, cell in enumerate(row):
            if i in (name, data) or i >= len(header):
                continue
            place, cells = _understood(header[i], cell, compound)
            if cells is None:
                more[header[i].strip().lower()] = cell
            else:
                by_data.setdefault(own or place, []).extend(cells)
        label = re.sub(r"[*_`]{2}|`", "", row[name]) if name < len(row) else ""
        found += [(label, place, cells, more) for place, cells in (by_data or {own: []}).items()]
    return found


def _understood(header: str, cell: str, compound: str | None) -> tuple[str, list[RawCell] | None]:
    """The dataset of a column and its figures; None where the column is no score."""
    words = _plain(header).split()
    last = 2 if len(words) > 1 and metric(" ".join(words[-2:])) and not metric(words[-1]) else 1
    names, place = " ".join(words[-last:]).split("/"), " ".join(words[:-last])
    if not words or not all(metric(word) for word in names):
        if compound is None or "/" not in cell:
            return "", None
        names, place = compound.split("/"), " ".join(words)
    texts = cell.split("/") if len(names) > 1 else [cell]
    if len(texts) != len(names):
        return place, []
    label = place if len(names) > 1 else ""
    return place, [
        (str(metric(word)), text, f"{label} {word.strip()}".strip() if label else header)
        for word, text in zip(names, texts, strict=True)
    ]


def _number(text: str) -> tuple[float, int] | None:
    """The first number of a cell and its decimals."""
    found = NUMBER.search(text.replace("−", "-"))
    if found is None:
        return None
    digits = found.group().replace(",", ".")
    return float(digits), len(digits.partition(".")[2])


def _scales(raw: Sequence[RawRow]) -> dict[str, float]:
    """What 1 is printed as, metric by metric."""
    numbers: dict[str, list[float]] = {}
    for _, _, cells, _ in raw:
        for name, text, _ in cells:
            number = _number(text)
            if number is not None:
                numbers.setdefault(name, []).append(number[0])
    scales = {name: 100.0 if max(values) > 1.5 else 1.0 for name, values in numbers.items()}
    others = [scale for name, scale in scales.items() if name != "mae"]
    if others and max(numbers.get("mae", [0.0])) >= 0.2:  # small, and a percent like the others
        scales["mae"] = max(others)
    return scales


def _cells(cells: Sequence[RawCell], scales: dict[str, float]) -> dict[str, Cell]:
    found = {}
    for name, text, column in cells:
        number = _number(text)
        if number is not None:
            value, half, scale = number[0], 0.5 * 10.0 ** -number[1], scales[name]
            found[name] = Cell(value / scale, half / scale, text, column, scale)
    return found
