"""Published rows as printed, with source, aggregation (by audit) and selection. Stdlib only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from segkit.metrics.auditing.audit import published_tables
from segkit.metrics.auditing.identities import judge
from segkit.metrics.auditing.tables import PublishedTable, Row

SCORES = ("dice", "iou", "acc", "pre", "sen", "spe", "mae")


@dataclass(frozen=True)
class PublishedRow:
    """One method on one dataset, as a paper prints it; shares of 1."""

    name: str
    data: str  # the dataset's name in the catalogue
    scores: dict[str, float]
    params_m: float | None
    gflops: float | None
    aggregation: str  # what the figures' arithmetic says: pooled, per-image, undecided, impossible
    selection: str  # test, val or unknown
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data for JSON."""
        return asdict(self)


def catalogue_name(data: str) -> str:
    """`ISIC 2018` as the catalogue writes it: isic2018."""
    return "".join(ch for ch in data.lower() if ch.isalnum())


@cache
def all_rows() -> tuple[PublishedRow, ...]:
    """Every shipped row that has a score."""
    return tuple(
        _published(row, table)
        for table in published_tables().values()
        for row in table.rows
        if row.cells
    )


def rows_on(data: str) -> list[PublishedRow]:
    """The published rows on a dataset, best Dice first."""
    found = [row for row in all_rows() if row.data == catalogue_name(data)]
    return sorted(found, key=lambda row: -row.scores.get("dice", row.scores.get("iou", 0.0)))


def _published(row: Row, table: PublishedTable) -> PublishedRow:
    return PublishedRow(
        name=row.name,
        data=catalogue_name(row.data),
        scores={name: row.cells[name].value for name in SCORES if name in row.cells},
        params_m=_number(row.more.get("params_m", "")),
        gflops=_number(row.more.get("gflops", "")),
        aggregation=judge(row).verdict,
        selection=table.about.get("selection", "unknown"),
        source=table.about.get("source", ""),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
