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
    "dice": "dice dsc dc f1 f1-score dicescore mdice mdsc dsc/f1",
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
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")


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


def read_table(path: Path, columns: str | None = None) -> Table:
    """Read a file; `columns` names the figures of cells such as `4.98/89.56/83.61`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"table {path} cannot be read", error.strerror) from error
    return parse_table(text, columns, str(path))


def parse_table(text: str, columns: str | None = None, name: str = "the table") -> Table:
    """Parse the text of a CSV or Markdown table."""
    about = _about(text)
    grid = _markdown(text) if _is_markdown(text) else _csv(text)
    if len(grid) < 2:
        raise SegkitError(f"{name} holds no table", "a header and at least one row are expected")
    compound = columns or _compound_in(text, grid)
    raw = _raw_rows(grid[0], grid[1:], compound)
    if not any(cells for _, _, cells, _ in raw):
        known = ", ".join(sorted(ALIASES))
        raise SegkitError(f"{name} holds no figure that is understood", f"known: {known}")
    return _scaled(raw, about)


def _about(text: str) -> dict[str, str]:
    found = re.findall(r"^#\s*(\w+):\s*(.+?)\s*$", text, flags=re.MULTILINE)
    return dict(found)


def _is_markdown(text: str) -> bool:
    return bool(re.search(r"^\s*\|?[\s:|-]*---[\s:|-]*$", text, flags=re.MULTILINE)) and "|" in text


def _markdown(text: str) -> list[list[str]]:
    """The first table of the text, without its rule."""
    lines = text.splitlines()
    rule = next(i for i, line in enumerate(lines) if re.fullmatch(r"[\s:|-]*---[\s:|-]*", line))
    rows = [lines[rule - 1]]
    for line in lines[rule + 1 :]:
        if "|" not in line:
            break
        rows.append(line)
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]


def _csv(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]


def _plain(header: str) -> str:
    """A header without arrows, units and markup."""
    return re.sub(r"\(.*?\)|[↑↓%*_`]", " ", header).strip()


def metric(word: str) -> str | None:
    """The metric that a word stands for."""
    return METRICS.get(_plain(word).lower().replace(" ", ""))


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
    names = words[-1].split("/") if words else []
    place = " ".join(words[:-1])
    if not names or not all(metric(word) for word in names):
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


def _scaled(raw: Sequence[RawRow], about: dict[str, str]) -> Table:
    """Figures as shares of 1, whatever the table prints."""
    numbers: dict[str, list[float]] = {}
    for _, _, cells, _ in raw:
        for name, text, _ in cells:
            number = _number(text)
            if number is not None:
                numbers.setdefault(name, []).append(number[0])
    others = [value for name, values in numbers.items() if name != "mae" for value in values]
    scale = 100.0 if max(others or numbers.get("mae", [0.0])) > 1.5 else 1.0
    scales = dict.fromkeys(numbers, scale)
    if "mae" in numbers and others and max(numbers["mae"]) < 0.2:
        scales["mae"] = 1.0
    rows = []
    for label, place, cells, more in raw:
        rows.append(Row(label, place, _cells(cells, scales), more))
    return Table(tuple(rows), about)


def _cells(cells: Sequence[RawCell], scales: dict[str, float]) -> dict[str, Cell]:
    found = {}
    for name, text, column in cells:
        number = _number(text)
        if number is not None:
            value, half, scale = number[0], 0.5 * 10.0 ** -number[1], scales[name]
            found[name] = Cell(value / scale, half / scale, text, column, scale)
    return found
