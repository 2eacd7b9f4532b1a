"""Read a results table, CSV, Markdown or LaTeX, long or wide, into rows of named figures.

Long: a column names the dataset (`data`), others are metrics. Wide: a header such as `ISIC2016
Dice` or `PH2 DSC/IoU/P/R`, whose cells then hold as many figures. A figure keeps its printed
decimals. A row holds figures of one aggregation only: what is pooled and what is per image in one
line of a table are two rows here. Stdlib only.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segkit.errors import SegkitError, UsageError
from segkit.metrics.auditing.grids import NUMBER, Grid, grids_of
from segkit.metrics.auditing.headers import ALIASES, Heading, heading, is_unchecked, metric, plain

__all__ = [
    "ALIASES",
    "PublishedCell",
    "PublishedTable",
    "Row",
    "grids_of",
    "metric",
    "number",
    "parse_table",
]

NAME_HEADERS = ("method", "methods", "model", "models", "network", "name", "architecture", "run")
DATA_HEADERS = ("data", "dataset", "set")
COUNT_HEADERS = ("pictures", "n", "images", "cases", "test pictures", "test images", "# images")
INTERVAL = re.compile(
    r"[\[(]\s*([-+]?[\d.,]*\d)\s*%?\s*(?:,\s|;|–|—|\bto\b|-)\s*([-+]?[\d.,]*\d)\s*%?\s*[\])]"
)
# figures that a table may hold besides scores
OTHER = re.compile(
    r"#|param|flop|mac|fps|time|latency|year|size|memory|epoch|speed|\bseeds?\b|\bfolds?\b|\bn\b"
    r"|\bid\b|pictures|images",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PublishedCell:
    """A figure as printed: its value as a share of 1, and half a unit of its last decimal."""

    value: float
    half: float
    text: str
    column: str
    scale: float = 1.0  # what 1 is printed as
    interval: tuple[float, float] | None = None  # of 95 %, where one is printed


@dataclass(frozen=True)
class Row:
    """One method on one dataset, figures of one aggregation."""

    name: str
    data: str
    cells: dict[str, PublishedCell]
    more: dict[str, str] = field(default_factory=dict)  # columns that are no scores
    aggregation: str = ""  # "pooled" or "per-image", where the headers say it
    pictures: int | None = None  # how many test pictures the table names

    @property
    def columns(self) -> list[str]:
        """The headers of its figures."""
        return [cell.column for cell in self.cells.values()]


@dataclass(frozen=True)
class PublishedTable:
    """Rows with what the file says of itself (`# key: value` lines)."""

    rows: tuple[Row, ...]
    about: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # how it was read, where a reader should know


def read_table(path: Path, columns: str | None = None) -> PublishedTable:
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


def parse_table(text: str, columns: str | None = None, name: str = "the table") -> PublishedTable:
    """Parse the text of a CSV table, or of all tables of a Markdown or LaTeX text."""
    grids = [grid for grid in grids_of(text) if grid.rows]
    if not grids:
        raise SegkitError(
            f"{name} holds no table",
            "a header and at least one row are expected, as CSV, Markdown or LaTeX (tabular)",
        )
    rows: list[Row] = []
    notes: list[str] = []
    for grid in grids:
        found = list(_raw_rows(grid, columns or _compound_in(text, grid)))
        scales = _scales(found)
        notes += _unread(found) + _mixed_scales(scales)
        for raw in found:
            rows += _rows(raw, scales, notes)
    if not any(row.cells for row in rows):
        known = ", ".join(sorted(ALIASES))
        raise SegkitError(f"{name} holds no figure that is understood", f"known: {known}")
    return PublishedTable(tuple(rows), _about(text), tuple(dict.fromkeys(notes)))


@dataclass(frozen=True)
class _Printed:
    """A cell before its scale is known."""

    metric: str
    aggregation: str
    text: str
    column: str
    part: str = ""  # an end of the interval of the same metric


Key = tuple[str, str]  # metric, aggregation


@dataclass(frozen=True)
class _RawRow:
    name: str
    data: str
    printed: list[_Printed]
    more: dict[str, str]
    pictures: int | None


def _raw_rows(grid: Grid, compound: str | None) -> Iterator[_RawRow]:
    words = [plain(cell).lower() for cell in grid.header]
    name = next((i for i, cell in enumerate(words) if cell in NAME_HEADERS), 0)
    data = next((i for i, cell in enumerate(words) if cell in DATA_HEADERS), None)
    for row, section in zip(grid.rows, grid.sections, strict=True):
        by_data: dict[str, list[_Printed]] = {}
        more: dict[str, str] = {}
        own = (row[data] if data is not None and data < len(row) else "") or section
        for i, cell in enumerate(row[: len(grid.header)]):
            if i in (name, data):
                continue
            place, cells = _understood(grid.header[i], cell, compound)
            if cells is None:
                more[grid.header[i].strip().lower()] = cell
            else:
                by_data.setdefault(own or place, []).extend(cells)
        label = re.sub(r"[*_`]{2}|`", "", row[name]) if name < len(row) else ""
        count = _count(more)
        for place, cells in (by_data or {own: []}).items():
            yield _RawRow(label, place, cells, more, count)


def _count(more: dict[str, str]) -> int | None:
    """How many pictures a row was scored on."""
    texts = [text for header, text in more.items() if header in COUNT_HEADERS]
    found = [text for text in texts if re.fullmatch(r"\d+", text.strip())]
    return int(found[0]) if found else None


def _understood(header: str, cell: str, compound: str | None) -> tuple[str, list[_Printed] | None]:
    """The dataset of a column and its figures; None where the column is no score."""
    known = heading(header)
    if known is None:
        if compound is None or "/" not in cell:
            return "", None
        words = compound.split("/")
        place = " ".join(plain(header).split())
        known = Heading(tuple(str(metric(word)) for word in words), tuple(words), "", place)
    texts = cell.split("/") if len(known.metrics) > 1 else [cell]
    if len(texts) != len(known.metrics):
        return known.place, []
    many = len(known.metrics) > 1
    columns = [f"{known.place} {w.strip()}".strip() if many else header for w in known.words]
    return known.place, [
        _Printed(name, known.aggregation, text, column, known.part)
        for name, text, column in zip(known.metrics, texts, columns, strict=True)
    ]


def _compound_in(text: str, grid: Grid) -> str | None:
    """A list such as `MAE / Dice / IoU` near the table that names the parts of its cells."""
    if not any("/" in cell for row in grid.rows for cell in row[1:]):
        return None
    for found in re.findall(r"[\w-]+(?:\s*/\s*[\w-]+)+", text):
        if all(metric(part) for part in found.split("/")):
            return str(found)
    return None


def _unread(raw: Sequence[_RawRow]) -> list[str]:
    """Columns of numbers that are no score that is known, and no cost either."""
    strange = {
        header
        for row in raw
        for header, cell in row.more.items()
        if NUMBER.fullmatch(cell.strip("*_ %"))
        and not OTHER.search(header)
        and not is_unchecked(header)
    }
    return [f"columns not understood: {', '.join(sorted(strange))}"] if strange else []


def _mixed_scales(scales: dict[Key, float]) -> list[str]:
    shares = [name for (name, _), scale in scales.items() if scale == 1.0]
    if not shares or len(shares) == len(scales):
        return []
    return [f"read as shares of 1 beside percents: {', '.join(dict.fromkeys(shares))}"]


def _about(text: str) -> dict[str, str]:
    found = re.findall(r"^#\s*(\w+):\s*(.+?)\s*$", text, flags=re.MULTILINE)
    return dict(found)


def number(text: str) -> tuple[float, int] | None:
    """The first number of a cell and its decimals."""
    found = NUMBER.search(text.replace("−", "-"))
    if found is None:
        return None
    digits = found.group().replace(",", ".")
    return float(digits), len(digits.partition(".")[2])


def _scales(raw: Sequence[_RawRow]) -> dict[Key, float]:
    """What 1 is printed as, column by column."""
    numbers: dict[Key, list[float]] = {}
    for row in raw:
        for cell in row.printed:
            found = number(cell.text)
            if found is not None:
                numbers.setdefault((cell.metric, cell.aggregation), []).append(found[0])
    scales = {key: _scale_of(key[0], values) for key, values in numbers.items()}
    others = [scale for (name, _), scale in scales.items() if name != "mae"]
    for (name, how), values in numbers.items():  # small, and a percent like the others
        if name == "mae" and others and max(values) >= 0.2:
            scales[name, how] = max(others)
    return scales


def _scale_of(name: str, values: Sequence[float]) -> float:
    """Percent where most figures cannot be shares: one slip does not turn a column over."""
    if name == "mae" or len(values) < 3:
        return 100.0 if max(values) > 1.5 else 1.0
    return 100.0 if statistics.median(values) > 1.5 else 1.0


def _rows(raw: _RawRow, scales: dict[Key, float], notes: list[str]) -> list[Row]:
    """The figures of a line by their aggregation."""
    groups: dict[str, dict[str, PublishedCell]] = {}
    for one in raw.printed:
        cell = _cell(one, scales, raw.name, notes)
        if cell is None:
            continue
        cells = groups.setdefault(one.aggregation, {})
        if not one.part:
            cells[one.metric] = _with_ends(cell, cells.get(one.metric))
        elif one.metric in cells:
            cells[one.metric] = _with_end(cells[one.metric], cell, one.part)
    made = groups or {"": {}}
    return [Row(raw.name, raw.data, c, raw.more, how, raw.pictures) for how, c in made.items()]


def _with_ends(cell: PublishedCell, before: PublishedCell | None) -> PublishedCell:
    return cell if before is None or cell.interval else replace(cell, interval=before.interval)


def _with_end(cell: PublishedCell, end: PublishedCell, part: str) -> PublishedCell:
    low, high = cell.interval or (float("nan"), float("nan"))
    return replace(cell, interval=(end.value, high) if part == "low" else (low, end.value))


def _cell(
    one: _Printed, scales: dict[Key, float], name: str, notes: list[str]
) -> PublishedCell | None:
    found = number(one.text)
    if found is None:
        return None
    scale = scales[one.metric, one.aggregation]
    value, half = found[0], 0.5 * 10.0 ** -found[1]
    slips = one.metric != "mae" and found[1] >= 2
    if scale > 1 and slips and 0 < value <= 1:
        notes.append(f"{name}: {one.column} {one.text} is read as a share of 1 among percents")
        scale = 1.0
    elif scale == 1.0 and slips and 1.5 < value <= 100:
        notes.append(f"{name}: {one.column} {one.text} is read as a percent among shares of 1")
        scale = 100.0
    ends = INTERVAL.search(one.text.replace("−", "-"))
    interval = None
    if ends:
        low, high = (float(end.replace(",", ".")) / scale for end in ends.groups())
        interval = (low, high)
    return PublishedCell(value / scale, half / scale, one.text, one.column, scale, interval)
