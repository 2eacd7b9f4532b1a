"""Audit a published results table: each row by itself, rows against each other, text against
table.

The verdicts come from arithmetic alone (`audit_identities`); a table made from real predictions
under one aggregation gives no finding. Stdlib only.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.errors import UsageError, unknown
from segkit.metrics.auditing.claims import check_claims, read_claims
from segkit.metrics.auditing.identities import EVEN, Judged, judge
from segkit.metrics.auditing.tables import Row, Table, read_table

TABLES = Path(__file__).parent / "published"
APART = 0.05  # means over folds of pooled figures imply shares that differ by less than this
LEAST_ROWS = 5  # rows that an implied spread is compared with


def shipped() -> list[str]:
    """The names of the tables that come with segkit."""
    return sorted(p.stem for p in TABLES.glob("*.csv") if not p.stem.endswith(".claims"))


def locate(name: str) -> Path:
    """A file, or a shipped table by name."""
    path = Path(name)
    if path.is_file():
        return path
    if name in shipped():
        return TABLES / f"{name}.csv"
    if path.suffix or len(path.parts) > 1:
        raise UsageError(f"table {name} cannot be read", "there is no such file")
    raise unknown("table", name, shipped())


def claims_beside(path: Path) -> Path | None:
    """`<table>.claims.csv` next to a table, if it is there."""
    beside = path.with_name(f"{path.stem}.claims.csv")
    return beside if beside.is_file() else None


def audit(path: Path, claims: Path | None = None, columns: str | None = None) -> dict[str, Any]:
    """The `audit --json` document of a table; without `claims`, those beside the table are used."""
    table = read_table(path, columns)
    claims = claims or claims_beside(path)
    judged = [judge(row) for row in table.rows]
    findings = table_findings(judged)
    if claims is not None:
        findings += check_claims(read_claims(claims), table)
    return {
        "about": table.about,
        "notes": list(table.notes),
        "rows": [_row(one) for one in judged if one.row.cells],
        "table": findings,
    }


def _row(one: Judged) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": one.row.name,
        "columns": one.row.columns,
        "verdict": one.verdict,
        "findings": list(one.findings),
        "data": one.row.data,
    }
    if one.spread is not None and one.verdict in ("per-image", "undecided"):
        row["implied_sd"] = round(one.spread, 4)
    return row


def table_findings(judged: Sequence[Judged]) -> list[str]:
    """What the rows say about each other."""
    findings = []
    for data in dict.fromkeys(one.row.data for one in judged):
        group = [one for one in judged if one.row.data == data]
        label = f"{data}: " if data else ""
        findings += [label + text for text in _group_findings(group)]
    return findings + _rows_that_change(judged) + _table_wide(judged)


def _group_findings(group: Sequence[Judged]) -> list[str]:
    return [*_mixed(group), *_too_even(group), *_prevalences(group), *_repeated(group)]


def _mixed(group: Sequence[Judged]) -> list[str]:
    """Pooled and per-image rows in one ranking."""
    pooled = [one.row.name for one in group if one.verdict == "pooled"]
    image = [one.row.name for one in group if one.verdict == "per-image"]
    if not pooled or not image:
        return []
    few, many, other = (pooled, image, "per-image")
    return [
        f"{', '.join(few)} {_are(few)} pooled, {_listed(many)} {_are(many)} {other}: "
        "the rows are not comparable"
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"the {len(names)} others"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _too_even(group: Sequence[Judged]) -> list[str]:
    """Rows that nearly obey the pooled identity while the others are far from it."""
    ratios = {one.row.name: _ratio(one) for one in group if one.spread is not None}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    if len(known) < LEAST_ROWS or statistics.median(known) <= 3 * EVEN:
        return []
    limit = statistics.median(known) / 3
    median = statistics.median(one.spread for one in group if one.spread is not None)
    found = []
    for one in group:
        ratio = ratios.get(one.row.name)
        even = ratio is not None and ratio < limit and (one.spread or 0) < median / 3
        if one.verdict == "undecided" and even:
            found.append(
                f"{one.row.name} nearly obeys the pooled identity (implied spread "
                f"{100 * (one.spread or 0):.1f} points, the other rows' median is "
                f"{100 * median:.1f}): it looks pooled per fold, the others per image"
            )
    return found


def _ratio(one: Judged) -> float | None:
    dice = one.row.cells.get("dice")
    return None if dice is None or one.spread is None else one.spread / max(1 - dice.value, 1e-6)


def _prevalences(group: Sequence[Judged]) -> list[str]:
    """Pooled rows on the same pixels imply the same share of true foreground."""
    known = [(one.row.name, one.prevalence) for one in group if one.prevalence is not None]
    found = []
    for i, (name, ends) in enumerate(known):
        for other, others in known[:i]:
            gap = max(ends[0] - others[1], others[0] - ends[1])
            if gap > APART * max(ends[1], others[1]):
                found.append(
                    f"{other} and {name} cannot be on the same pixels: the figures imply "
                    f"{_percent(others)} and {_percent(ends)} of true foreground"
                )
    return found


def _percent(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def _repeated(group: Sequence[Judged]) -> list[str]:
    """One method twice with different figures, or two methods with the same figures."""
    found = []
    seen: dict[str, Row] = {}
    figures: dict[tuple[str, ...], str] = {}
    for one in group:
        row = one.row
        texts = tuple(cell.text for cell in row.cells.values())
        if row.name in seen and texts != tuple(c.text for c in seen[row.name].cells.values()):
            found.append(f"{row.name} stands twice, with different figures")
        elif row.name not in seen and _is_fine(row) and texts in figures:
            found.append(f"{figures[texts]} and {row.name} have the same figures in every column")
        seen.setdefault(row.name, row)
        figures.setdefault(texts, row.name)
    return found


def _is_fine(row: Row) -> bool:
    """Three figures or more, to a hundredth of a percent: equal by chance they are not."""
    return len(row.cells) >= 3 and all(cell.half < 6e-5 for cell in row.cells.values())


def _rows_that_change(judged: Sequence[Judged]) -> list[str]:
    """Methods that are pooled on one dataset and not on another."""
    found = []
    for name in dict.fromkeys(one.row.name for one in judged):
        verdicts = {one.row.data: one.verdict for one in judged if one.row.name == name}
        if "pooled" in verdicts.values() and "per-image" in verdicts.values():
            parts = [
                f"{verdict} on {', '.join(d for d, v in verdicts.items() if v == verdict)}"
                for verdict in dict.fromkeys(verdicts.values())
            ]
            found.append(f"{name} changes its aggregation: {'; '.join(parts)}")
    return found


def _table_wide(judged: Sequence[Judged]) -> list[str]:
    """Rows that are rounded more coarsely than the rest."""
    halves = [cell.half for one in judged for cell in one.row.cells.values()]
    if not halves:
        return []
    fine = min(halves)
    coarse = [
        one.row
        for one in judged
        if len(one.row.cells) >= 3 and all(c.half > 5 * fine for c in one.row.cells.values())
    ]
    if not coarse or len(coarse) == len(judged):
        return []
    names = ", ".join(dict.fromkeys(row.name for row in coarse))
    return [f"{names}: rounded to fewer decimals than the other rows"]


def published_tables() -> dict[str, Table]:
    """The shipped tables by name."""
    return {name: read_table(TABLES / f"{name}.csv") for name in shipped()}
