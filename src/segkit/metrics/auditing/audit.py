"""Audit a published results table: each row by itself, rows against each other, text against
table.

The verdicts come from arithmetic alone (`audit_identities`); a table made from real predictions
under one aggregation gives no finding. Stdlib only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.errors import UsageError, unknown
from segkit.metrics.auditing.claims import check_claims, read_claims
from segkit.metrics.auditing.identities import Judged, judge
from segkit.metrics.auditing.peers import table_findings
from segkit.metrics.auditing.tables import PublishedTable, parse_table, read_table

TABLES = Path(__file__).parent / "published"


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
    return judged_table(read_table(path, columns), claims or claims_beside(path))


def audit_text(
    text: str, claims: Path | None = None, columns: str | None = None, name: str = "the text"
) -> dict[str, Any]:
    """The same of a table that is no file: what is piped in."""
    return judged_table(parse_table(text, columns, name), claims)


def judged_table(table: PublishedTable, claims: Path | None) -> dict[str, Any]:
    """Each row by itself, the rows against each other, the claims against the table."""
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
        "aggregation": one.row.aggregation,
        "verdict": one.verdict,
        "findings": list(one.findings),
        "data": one.row.data,
    }
    if one.spread is not None and one.verdict in ("per-image", "undecided"):
        row["implied_sd"] = round(one.spread, 4)
    return row


def published_tables() -> dict[str, PublishedTable]:
    """The shipped tables by name."""
    return {name: read_table(TABLES / f"{name}.csv") for name in shipped()}
