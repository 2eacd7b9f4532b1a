"""What a text says beside a table, checked against the table. Stdlib only.

A claims file (CSV or Markdown) has columns name, data, metric, kind, value, other, p, quote; kinds:
`value` (the table must print it), `best`, `better` (than `other`, with `p`), `gain` and `level`
(gains in Dice and IoU at a level of IoU). Without a `metric` column it is a table of values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.errors import UsageError, unknown
from segkit.metrics.auditing.tables import (
    PublishedCell,
    PublishedTable,
    Row,
    grids_of,
    metric,
    number,
    parse_table,
    read_text,
)

KINDS = ("value", "best", "better", "gain", "level")
LOWER = ("mae",)


@dataclass(frozen=True)
class Claim:
    """One statement about one figure."""

    name: str
    data: str
    metric: str
    kind: str
    value: float | None = None  # as printed
    decimals: int = 2
    other: str = ""
    p: float | None = None
    quote: str = ""


def read_claims(path: Path) -> list[Claim]:
    """Read a claims file."""
    text = read_text(path, "claims")
    grids = grids_of(text)
    header = [cell.strip().lower() for cell in grids[0].header] if grids else []
    if "metric" not in header:
        return _from_table(parse_table(text, None, str(path)))
    rows = [dict(zip(header, row, strict=False)) for row in grids[0].rows]
    return [_claim(row, path) for row in rows]


def _from_table(table: PublishedTable) -> list[Claim]:
    claims = []
    for row in table.rows:
        for name, cell in row.cells.items():
            found = number(cell.text)
            if found is not None:
                claims.append(Claim(row.name, row.data, name, "value", *found))
    return claims


def _claim(row: dict[str, str], path: Path) -> Claim:
    name = next((row[key] for key in ("name", "method", "model", "row") if row.get(key)), "")
    found = metric(row["metric"])
    if found is None:
        raise UsageError(f"claims {path}: metric '{row['metric']}' is not known")
    kind = row.get("kind") or "value"
    if kind not in KINDS:
        raise unknown("kind of claim", kind, KINDS)
    value = number(row.get("value") or "")
    p = number(row.get("p") or "")
    return Claim(
        name,
        row.get("data") or row.get("dataset") or "",
        found,
        kind,
        value[0] if value else None,
        value[1] if value else 2,
        row.get("other") or "",
        p[0] if p else None,
        row.get("quote") or "",
    )


def check_claims(claims: Sequence[Claim], table: PublishedTable) -> list[str]:
    """The contradictions between the claims and the table, or among the claims."""
    found = []
    for claim in claims:
        checker = {"value": _check_value, "best": _check_best, "better": _check_better}
        text = checker[claim.kind](claim, table) if claim.kind in checker else None
        if text:
            found.append(f"{_label(claim)}: {text}")
    return found + _check_gains(claims)


def _label(claim: Claim) -> str:
    place = f" on {claim.data}" if claim.data else ""
    return f"{claim.name}{place}, {claim.metric}"


def _row(name: str, data: str, table: PublishedTable) -> Row | None:
    rows = [row for row in table.rows if _same(row.name, name)]
    exact = [row for row in rows if not data or _same(row.data, data)]
    return exact[0] if exact else None


def _same(one: str, other: str) -> bool:
    return _key(one) == _key(other)


def _key(text: str) -> str:
    return "".join(ch for ch in text.lower() if ch.isalnum())


def _cell(claim: Claim, table: PublishedTable, name: str = "") -> PublishedCell | None:
    row = _row(name or claim.name, claim.data, table)
    return None if row is None else row.cells.get(claim.metric)


def _check_value(claim: Claim, table: PublishedTable) -> str | None:
    cell = _cell(claim, table)
    if claim.value is None:
        return None
    if cell is None:
        return "the table has no such figure"
    half = max(0.5 * 10.0**-claim.decimals, cell.half * cell.scale)
    if abs(claim.value - cell.value * cell.scale) <= half + 1e-9:
        return None
    printed = f"{claim.value:.{claim.decimals}f}"
    same = _owner(printed, claim, table)
    hint = f" (the table has {printed} in the row of {same})" if same else ""
    source = f" [{claim.quote}]" if claim.quote else ""
    return f"the text says {printed}, the table {cell.text}{hint}{source}"


def _owner(printed: str, claim: Claim, table: PublishedTable) -> str:
    """Another row on the same dataset that has just this figure."""
    for row in table.rows:
        cell = row.cells.get(claim.metric)
        if cell and cell.text == printed and (not claim.data or _same(row.data, claim.data)):
            return row.name
    return ""


def _check_best(claim: Claim, table: PublishedTable) -> str | None:
    own = _cell(claim, table)
    if own is None:
        return "the table has no such figure"
    sign = -1 if claim.metric in LOWER else 1
    rows = [r for r in table.rows if claim.metric in r.cells and _same(r.data, claim.data)]
    best = max(rows, key=lambda row: sign * row.cells[claim.metric].value)
    if sign * best.cells[claim.metric].value <= sign * own.value:
        return None
    return f"marked as best with {own.text}, but {best.name} has {best.cells[claim.metric].text}"


def _check_better(claim: Claim, table: PublishedTable) -> str | None:
    own, other = _cell(claim, table), _cell(claim, table, claim.other)
    if own is None or other is None:
        return "the table has no such figure"
    sign = -1 if claim.metric in LOWER else 1
    if sign * (own.value - other.value) <= 0:
        return f"said to be better than {claim.other}, but {own.text} against {other.text}"
    if claim.p is not None and claim.p >= 0.05:
        return (
            f"not separated from {claim.other}: p = {claim.p:g} ({own.text} against {other.text})"
        )
    return None


def _check_gains(claims: Sequence[Claim]) -> list[str]:
    """Gains in Dice and IoU from one pair of matrices fix the level at which they happen."""
    found = []
    keys = dict.fromkeys((c.name, c.data) for c in claims if c.kind == "gain")
    for name, data in keys:
        own = {(c.kind, c.metric): c for c in claims if (c.name, c.data) == (name, data)}
        dice, iou = own.get(("gain", "dice")), own.get(("gain", "iou"))
        level = own.get(("level", "iou"))
        if dice and iou and level:
            text = _gain_text(dice, iou, level)
            found += [f"{name} on {data}: {text}"] if text else []
    return found


def _gain_text(dice: Claim, iou: Claim, level: Claim) -> str | None:
    if dice.value is None or iou.value is None or level.value is None:
        return None
    top, gain, claimed = level.value / 100, iou.value / 100, dice.value / 100
    half = 0.5 * 10.0**-iou.decimals / 100
    ends = [_gain(top + a, gain + b) for a in (-half, half) for b in (-half, half)]
    slack = 0.5 * 10.0**-dice.decimals / 100
    if min(ends) - slack <= claimed <= max(ends) + slack:
        return None
    fitting = (2.0 * gain / claimed) ** 0.5 - 1.0  # where the slope 2 / (1 + J)^2 is theirs
    return (
        f"gains of {iou.value:g} IoU and {dice.value:g} Dice do not fit one matrix at IoU "
        f"{level.value:g} (Dice would gain {100 * _gain(top, gain):.2f}); they fit near IoU "
        f"{100 * fitting:.0f}"
    )


def _gain(level: float, gain: float) -> float:
    return 2 * level / (1 + level) - 2 * (level - gain) / (1 + level - gain)
