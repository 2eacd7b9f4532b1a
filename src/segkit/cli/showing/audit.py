"""`segkit audit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console


def command(
    table: Annotated[
        str | None,
        typer.Argument(
            help="A CSV, Markdown or LaTeX file, a shipped table (see --list), or - for a pipe."
        ),
    ] = None,
    claims: Annotated[
        Path | None,
        typer.Option(help="What the text says beside the table (default: TABLE.claims.csv)."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="What cells such as 4.98/89.56/83.61 hold: MAE/Dice/IoU.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="The tables that come with segkit.")] = (
        False
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 on any finding.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Arithmetic check of a published results table: which rows are pooled, what is impossible.

    Example: segkit audit qtseg

    A table may be piped in: segkit report runs --format md | segkit audit
    """
    from segkit.errors import UsageError
    from segkit.metrics.auditing import audit

    if list_:
        _list(json)
        return 0
    if table is None and sys.stdin.isatty():
        raise UsageError("no table was named", None, "See: segkit audit --list")
    if table in (None, "-"):
        made = audit.audit_text(_piped(), claims, columns, "what was piped in")
    else:
        made = audit.audit(audit.locate(str(table)), claims, columns)
    if json:
        _console.emit_json(made)
    else:
        _show(made, table or "-")
    findings = [*made["table"], *(text for row in made["rows"] for text in row["findings"])]
    return 1 if strict and findings else 0


def _piped() -> str:
    """The text on standard input."""
    from segkit.errors import UsageError

    try:
        text = sys.stdin.read()
    except OSError:  # no input at all, as under a scheduler
        text = ""
    except UnicodeDecodeError as error:
        raise UsageError("what was piped in cannot be read", "it is not UTF-8 text") from error
    if not text.strip():
        raise UsageError(
            "no table was named, and nothing was piped in", None, "See: segkit audit --list"
        )
    return text


def _list(json: bool) -> None:
    from segkit.metrics.auditing.audit import published_tables

    rows = [
        {"name": name, "title": table.about.get("title", ""), "source": table.about["source"]}
        for name, table in published_tables().items()
    ]
    if json:
        _console.emit_json(rows)
        return
    _console.table(["name", "title", "source"], [list(row.values()) for row in rows])


def _show(made: dict[str, Any], name: str) -> None:
    about = made["about"]
    if about.get("source"):
        _console.say(f"{about.get('title', name)} ({about['source']})")
    if about.get("selection") == "test":
        _console.say("selection: test (the checkpoint was chosen on the reported part)")
    rows = [
        [row["name"], row["data"], ", ".join(row["columns"]), row["verdict"], _spread(row)]
        for row in made["rows"]
    ]
    _console.table(
        ["row", "data", "figures", "verdict", "implied sd of Dice"],
        rows,
        right=("implied sd of Dice",),
    )
    findings = [
        f"{row['name']}{' on ' + row['data'] if row['data'] else ''}: {text}"
        for row in made["rows"]
        for text in row["findings"]
    ] + made["table"]
    for text in findings:
        _console.out().print(f"- {text}", markup=False)
    for note in made["notes"]:
        _console.note(note)
    many = "" if len(findings) == 1 else "s"
    _console.say(f"{len(findings)} finding{many}" if findings else "Nothing found.")


def _spread(row: dict[str, Any]) -> str:
    spread = row.get("implied_sd")
    return "" if spread is None else f"{100 * spread:.1f}"
