"""Mixtures and errors that are planted in tables of real runs, to see whether the audit finds them.

Each planter takes the runs of a table and gives the text of a table with one thing wrong; None
where this table has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segkit.report.reading import Entry, read_entries
from segkit.report.table import as_csv, as_latex, as_markdown, build_table
from segkit.report.ties import ties

VISIBLE = 0.01  # a mixture of figures that are nearer than a point is none that anybody sees
POINTS = 0.03
WRITERS = (as_markdown, as_latex, as_csv)


@dataclass(frozen=True)
class Planted:
    """The runs of a table, and the draw of what is planted where."""

    runs: tuple[Path, ...]
    generator: np.random.Generator

    def entries(self) -> list[Entry]:
        """The runs as the report reads them; their summaries may be changed."""
        return read_entries(self.runs, cost=False)

    def one(self, entries: list[Entry]) -> Entry:
        """One of them."""
        return entries[int(self.generator.integers(len(entries)))]

    def report(self, entries: list[Entry]) -> str:
        """The table as `segkit report` writes it, in any of its formats."""
        write = WRITERS[int(self.generator.integers(len(WRITERS)))]
        return write(build_table(entries, ties(entries)))


Rows = list[tuple[str, float, float]]  # name, Dice, IoU


def rows_of(entries: list[Entry], how: str) -> Rows:
    """The pairs of one aggregation."""
    scores = [(e.label, e.score(f"dice_{how}").mean, e.score(f"iou_{how}").mean) for e in entries]
    return [(name, dice, iou) for name, dice, iou in scores]


def plain(rows: Rows, how: str = "", decimals: int = 2) -> str:
    """A table as papers print it: percent, no intervals."""
    suffix = f" ({how})" if how else ""
    lines = [f"| Method | Dice{suffix} | IoU{suffix} |", "|---|---|---|"]
    lines += [f"| {n} | {100 * d:.{decimals}f} | {100 * j:.{decimals}f} |" for n, d, j in rows]
    return "\n".join(lines) + "\n"


def pictures(entry: Entry) -> int:
    """How many test pictures."""
    return int(entry.summary["n"])


def other_aggregation(planted: Planted, table: str, row: str) -> str | None:
    """One row of the other aggregation in a table of at least four."""
    entries = planted.entries()
    rows, others = rows_of(entries, table), rows_of(entries, row)
    place = int(planted.generator.integers(len(rows)))
    if len(rows) < 4 or abs(rows[place][1] - others[place][1]) < VISIBLE:
        return None
    rows[place] = others[place]
    return plain(rows)


def pooled_row(planted: Planted) -> str | None:
    """A pooled row among rows per image."""
    return other_aggregation(planted, "image", "pooled")


def image_row(planted: Planted) -> str | None:
    """A row per image among pooled ones."""
    return other_aggregation(planted, "pooled", "image")


def half_a_row(planted: Planted) -> str | None:
    """Pooled Dice beside IoU per image in one row of a table of at least five."""
    entries = planted.entries()
    rows, others = rows_of(entries, "image"), rows_of(entries, "pooled")
    place = int(planted.generator.integers(len(rows)))
    name, dice, iou = rows[place]
    if len(rows) < 5 or abs(others[place][1] - dice) < 2 * VISIBLE:
        return None
    rows[place] = (name, others[place][1], iou)
    return plain(rows)


def pooled_cell(planted: Planted) -> str | None:
    """A pooled figure, with its interval, in the column per image of our own report."""
    entries = planted.entries()
    metrics = planted.one(entries).metrics
    name = str(planted.generator.choice(["dice", "iou"]))
    gap = metrics[f"{name}_pooled"]["mean"] - metrics[f"{name}_image"]["mean"]
    if abs(gap) < 2 * VISIBLE or pictures(entries[0]) < 50:
        return None
    metrics[f"{name}_image"] = metrics[f"{name}_pooled"]
    return planted.report(entries)


def shifted(planted: Planted, by: float, least: int, most: int = 10_000) -> str | None:
    """IoU per image and its interval moved, in our own report."""
    entries = planted.entries()
    if not least <= pictures(entries[0]) <= most:
        return None
    found: dict[str, Any] = planted.one(entries).metrics["iou_image"]
    found["mean"] += by
    found["ci95"] = [end + by for end in found["ci95"]]
    return planted.report(entries)


def too_high(planted: Planted) -> str | None:
    """IoU three points too high, with intervals, 50 pictures or more."""
    return shifted(planted, POINTS, 50)


def too_high_few(planted: Planted) -> str | None:
    """The same on 10 or 20 pictures."""
    return shifted(planted, POINTS, 5, 49)


def too_low(planted: Planted) -> str | None:
    """IoU three points too low."""
    return shifted(planted, -POINTS, 50)


def too_high_plain(planted: Planted) -> str | None:
    """IoU three points too high in a table without intervals, of at least six rows."""
    rows = rows_of(planted.entries(), "image")
    if len(rows) < 6:
        return None
    place = int(planted.generator.integers(len(rows)))
    name, dice, iou = rows[place]
    rows[place] = (name, dice, iou + POINTS)
    return plain(rows)


def exchanged(planted: Planted) -> str | None:
    """Dice and IoU of a row have changed places."""
    rows = rows_of(planted.entries(), "image")
    place = int(planted.generator.integers(len(rows)))
    name, dice, iou = rows[place]
    rows[place] = (name, iou, dice)
    return plain(rows)


def digits(planted: Planted) -> str | None:
    """The first two digits of a figure have changed places; its interval is as it was."""
    entries = planted.entries()
    name = str(planted.generator.choice(["dice_image", "iou_image", "dice_pooled"]))
    found = planted.one(entries).metrics[name]
    text = f"{found['mean']:.6f}"
    if abs(int(text[2]) - int(text[3])) < 1:
        return None
    found["mean"] = float(text[:2] + text[3] + text[2] + text[4:])
    return planted.report(entries)


def copied(planted: Planted) -> str | None:
    """The figures of one run stand under the name of another."""
    entries = planted.entries()
    one, other = entries[0], entries[-1]
    other.summary["metrics"] = one.metrics
    return planted.report(entries)


def inexact(planted: Planted) -> str | None:
    """A pooled IoU that is half a point off, in a table of at least five rows."""
    rows = rows_of(planted.entries(), "pooled")
    if len(rows) < 5:
        return None
    place = int(planted.generator.integers(len(rows)))
    name, dice, iou = rows[place]
    rows[place] = (name, dice, iou + float(planted.generator.choice([-0.005, 0.005])))
    return plain(rows, "pooled")


Planter = Callable[[Planted], str | None]
MIXTURES: dict[str, tuple[Planter, int]] = {
    "a pooled row among rows per image": (pooled_row, 15),
    "a row per image among pooled rows": (image_row, 15),
    "pooled Dice beside IoU per image in one row": (half_a_row, 10),
    "a pooled figure in a column per image of our report": (pooled_cell, 20),
}
ERRORS: dict[str, tuple[Planter, int]] = {
    "IoU 3 points too high, with intervals, 50 pictures or more": (too_high, 25),
    "IoU 3 points too high, no intervals, six rows or more": (too_high_plain, 15),
    "IoU 3 points too low": (too_low, 10),
    "Dice and IoU exchanged": (exchanged, 15),
    "two digits exchanged": (digits, 15),
    "the figures of another row": (copied, 10),
    "a pooled IoU half a point off": (inexact, 10),
    "beyond the hundred: IoU 3 points too high, 10 or 20 pictures": (too_high_few, 20),
}
