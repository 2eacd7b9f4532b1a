"""`segkit data card`: a prepared set described for other people and programs."""

from __future__ import annotations

from typing import Annotated

import typer

from segkit.cli import _console as console


def register(app: typer.Typer) -> None:
    """Add the command to `segkit data`."""
    app.command()(card)


def card(
    name: Annotated[str, typer.Argument(help="A prepared dataset.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Describe each prepared form in Croissant 1.1: files, splits, hashes, licence, defects.

    Example: segkit data card demo

    Writes croissant.json beside the arrays. What is not known is left out.
    """
    from segkit.data import croissant

    written = croissant.write(name)
    if as_json:
        console.emit_json([{"name": name, "file": str(path)} for path in written])
        return
    for path in written:
        console.note(f"written: {path}")
