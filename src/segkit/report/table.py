"""The table of runs: one place for its columns, shared by HTML, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segkit import plugins
from segkit.api import resolve
from segkit.engine.evaluating.grids import grid_name
from segkit.metrics.table import in_pixels, key
from segkit.metrics.table import table as metric_table
from segkit.report.reading import PERCENT, Entry, Score, number
from segkit.report.ties import Ties


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, where its value comes from, how it is written."""

    key: str
    title: str
    meaning: str
    digits: int = 0
    numeric: bool = True
    higher: bool | None = None  # which end is better; None: neither
    scale: float = 1.0
    ranked: bool = True  # False: its figures are not comparable between the rows
    plain: str = ""  # a few words for a reader in a hurry
    value: Callable[[dict[str, Any]], float | None] | None = None  # of another distribution
    width: str = ""  # of a column of sentences, in LaTeX


HOW = {
    "": "Mean over the pictures: {plain}.",
    "image": "Mean over the pictures of each one's {title}: {plain}.",
    "pooled": "One count over all pixels of all pictures.",
}
TITLES = {"": "{title}", "image": "{title} (per image)", "pooled": "{title} (pooled)"}
PLAIN = {"pooled": "all pixels counted together"}


def scores() -> list[Column]:
    """The columns of the metrics that belong in a report, in the order of the table of metrics."""
    return [
        Column(
            key(metric, how),
            TITLES[how].format(title=metric.title),
            HOW[how].format(plain=metric.meaning, title=metric.title),
            metric.digits,
            higher=metric.higher,
            plain=PLAIN.get(how, metric.meaning),
        )
        for metric in metric_table().values()
        for how in metric.report
    ]


def others() -> list[Column]:
    """The columns of other distributions (entry-point group `segkit.columns`)."""
    rows = [row.value for row in plugins.statuses("columns") if row.value]
    return [
        Column(c.name, c.title, c.meaning, c.digits, higher=c.higher, value=resolve(c.value))
        for c in rows
    ]


ON_ANY_GRID = Column(
    PERCENT,
    "HD95 (% of the diagonal)",
    "HD95 as a share of the diagonal: comparable between sizes.",
    2,
    higher=False,
)
COSTS = (
    Column("params", "Params (M)", "Parameters in millions.", 3, higher=False, scale=1e-6),
    Column("flops", "GFLOPs", "2 × MACs + scan, one picture.", 3, higher=False, scale=1e-9),
)


@dataclass(frozen=True)
class Cell:
    """One cell: text to read, value to sort by."""

    text: str
    value: float | None = None
    interval: str = ""
    best: bool = False
    numeric: bool = False
    badge: bool = False
    warn: bool = False
    head: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows in the order of Dice per image, best first."""

    columns: list[Column]
    rows: list[list[Cell]]
    entries: list[Entry]

    def without(self, key: str) -> Table:
        """The same table less one column."""
        kept = [place for place, column in enumerate(self.columns) if column.key != key]
        rows = [[row[place] for place in kept] for row in self.rows]
        return Table([self.columns[place] for place in kept], rows, self.entries)


def build_table(entries: Sequence[Entry], compared: Sequence[Ties]) -> Table:
    """All runs, best first; columns that say the same of every run are left out."""
    ordered = sorted(entries, key=_rank)
    letters = _letters(ordered, compared)
    shown = [column for column in _columns(ordered) if any(_known(e, column) for e in ordered)]
    best = {column.key: _best(ordered, column) for column in shown}
    rows = []
    for entry in ordered:
        row = [Cell(entry.label, head=True), Cell(entry.architecture), Cell(entry.data)]
        row.append(Cell(grid_name(entry.grid)))
        row += [_figure(entry, column, best[column.key]) for column in shown]
        row += [Cell(letters.get(entry.label, "")), _selection(entry), Cell(_count(entry))]
        rows.append(row)
    columns = [
        Column("run", "Run", "The folder of the run.", numeric=False),
        Column("architecture", "Network", "The architecture.", numeric=False),
        Column("data", "Data", "The dataset.", numeric=False),
        Column("size", "Size", "The grid that was scored, height × width.", numeric=False),
        *shown,
        Column(
            "ties",
            "Ties",
            "Runs that share a letter cannot be told apart; in brackets on how many shared "
            "pictures they were compared, where these are not all.",
            numeric=False,
        ),
        Column("selection", "Chosen on", "The part that chose the checkpoint.", numeric=False),
        Column("n", "Pictures", "Test pictures.", numeric=False),
    ]
    table = Table(columns, rows, ordered)
    return table if any(letters.get(entry.label) for entry in ordered) else table.without("ties")


def _columns(entries: Sequence[Entry]) -> list[Column]:
    """Scores and costs; where runs lie on different grids, pixels rank nothing."""
    columns = [*scores(), *COSTS, *others()]
    if len({entry.grid for entry in entries}) == 1:
        return columns
    found: list[Column] = []
    for column in columns:
        pixels = in_pixels(column.key)
        found.append(replace(column, higher=None, ranked=False) if pixels else column)
        found += [ON_ANY_GRID] if column.key == "hd95" else []
    return found


def _letters(entries: Sequence[Entry], compared: Sequence[Ties]) -> dict[str, str]:
    """The tie groups of each run; with the number of pictures, where it is not the run's own."""
    groups = {label: group for group in compared for label in group.letters}
    found = {}
    for entry in entries:
        group = groups.get(entry.label)
        if group is not None:
            few = group.shared != entry.pictures
            found[entry.label] = group.letters[entry.label] + f" ({group.shared})" * few
    return found


def _rank(entry: Entry) -> tuple[str, float]:
    dice = entry.score("dice_image").mean
    return entry.data, -dice if math.isfinite(dice) else math.inf


def value_of(entry: Entry, column: Column) -> Score:
    """The score or cost of a run for a column."""
    if column.value is not None:
        return Score(number(column.value(entry.facts)))
    if column.key in entry.cost:
        return Score(entry.cost[column.key] * column.scale)
    return entry.score(column.key)


def _known(entry: Entry, column: Column) -> bool:
    return value_of(entry, column).known


def _best(entries: Sequence[Entry], column: Column) -> float:
    values = [value_of(entry, column).mean for entry in entries]
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2 or column.higher is None or len({entry.data for entry in entries}) > 1:
        return math.nan
    return max(finite) if column.higher else min(finite)


def _figure(entry: Entry, column: Column, best: float) -> Cell:
    score = value_of(entry, column)
    if not score.known:
        return Cell("–", numeric=True)
    text = f"{score.mean:.{column.digits}f}"
    value = score.mean if column.ranked else None  # without a value it cannot be sorted by
    return Cell(text, value, interval(score, column.digits), score.mean == best, numeric=True)


def interval(score: Score, digits: int) -> str:
    """The 95 % interval in brackets, or nothing."""
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return ""
    return f"[{score.low:.{digits}f}, {score.high:.{digits}f}]"


def _selection(entry: Entry) -> Cell:
    on_test = entry.selection == "test"
    return Cell("test part!" if on_test else "validation", badge=True, warn=on_test)


def _count(entry: Entry) -> str:
    return str(entry.pictures or "–")


def as_markdown(table: Table) -> str:
    """The table for a README or an appendix."""
    return _text_table(
        table,
        lambda cells: "| " + " | ".join(cells) + " |",
        lambda cell: f"**{_plain(cell)}**" if cell.best else _plain(cell),
        rule="| " + " | ".join("---:" if c.numeric else "---" for c in table.columns) + " |",
    )


def _plain(cell: Cell) -> str:
    return f"{cell.text} {cell.interval}".strip().replace("|", "\\|")


def _text_table(
    table: Table,
    join: Callable[[list[str]], str],
    write: Callable[[Cell], str],
    rule: str,
) -> str:
    head = join([column.title for column in table.columns])
    body = [join([write(cell) for cell in row]) for row in table.rows]
    return "\n".join([head, rule, *body]) + "\n"


LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        "×": r"$\times$",
    }
)


def as_latex(table: Table) -> str:
    """The table as LaTeX (package booktabs)."""
    layout = "".join(map(_layout, table.columns))
    body = _text_table(
        table,
        lambda cells: " & ".join(cells) + r" \\",
        lambda cell: rf"\textbf{{{_latex(cell)}}}" if cell.best else _latex(cell),
        rule=r"\midrule",
    )
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", body.rstrip(), r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def _layout(column: Column) -> str:
    if column.width:
        return rf"p{{{column.width}}}"
    return "r" if column.numeric else "l"


def _latex(cell: Cell) -> str:
    text = cell.text.translate(LATEX)
    return rf"{text} {{\scriptsize {cell.interval}}}" if cell.interval else text


def as_csv(table: Table) -> str:
    """The table for a spreadsheet: plain numbers, the ends of intervals in their own columns."""
    lines = [_csv_header(table.columns)]
    for row, entry in zip(table.rows, table.entries, strict=True):
        pairs = zip(table.columns, row, strict=True)
        lines.append([text for column, cell in pairs for text in _csv_cells(entry, column, cell)])
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(lines)
    return sink.getvalue()


def _csv_header(columns: Sequence[Column]) -> list[str]:
    ends = {c.key: [c.key, f"{c.key}_low", f"{c.key}_high"] for c in columns if _has_ends(c)}
    return [name for column in columns for name in ends.get(column.key, [column.key])]


def _has_ends(column: Column) -> bool:
    single = column.value is not None or column.key in {cost.key for cost in COSTS}
    return column.numeric and not single


def _csv_cells(entry: Entry, column: Column, cell: Cell) -> list[str]:
    if not column.numeric:
        return [cell.text]
    score = value_of(entry, column)
    values = (score.mean, score.low, score.high) if _has_ends(column) else (score.mean,)
    return [f"{value:.{column.digits + 2}f}" if math.isfinite(value) else "" for value in values]


def as_plain(value: Any, digits: int = 4) -> str:
    """A number with its digits, or a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, float) and math.isfinite(value) else "–"
