"""`segkit report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli import _console
from segkit.errors import UsageError
from segkit.report.wording import Words


class Format(StrEnum):
    """What is written."""

    html = "html"
    md = "md"
    latex = "latex"
    csv = "csv"


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    out: Annotated[
        Path | None, typer.Option(help="A file or a folder (default: the run, else report.html).")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="html page; md, latex or csv table.")
    ] = Format.html,
    latex: Annotated[bool, typer.Option("--latex", help="The same as --format latex.")] = False,
    cost: Annotated[bool, typer.Option(help="Count parameters and FLOPs.")] = True,
    words: Annotated[
        Words, typer.Option(help="plain, or claim: the words of CLAIM 2024 for a paper.")
    ] = Words.plain,
    json: Annotated[bool, typer.Option("--json", help="The table's figures as JSON.")] = False,
) -> None:
    """One self-contained page about runs: scores with intervals, curves, cases, settings.

    Example: segkit report runs/unet-isic2017 runs/qtseg-isic2017 --out report.html

    The page opens from disk, needs no network and prints. --format md, latex or csv prints the
    table for a README, a paper or a spreadsheet (or writes it with --out).
    """
    from segkit.report.reading import expand

    folders = expand(runs)
    kind = Format.latex if latex else format_
    if json:
        _json(folders, cost)
    elif kind is Format.html:
        _page(folders, out, cost, words)
    else:
        _text(folders, out, kind, cost, words)


def _page(folders: list[Path], out: Path | None, cost: bool, words: Words) -> None:
    from segkit.report.page import write_report

    own = len(folders) == 1 and folders[0].is_dir()  # not the name of a trained network
    target = out or (folders[0] if own else Path("report.html"))
    with _console.progress("report", None):
        file = write_report(folders, target, cost=cost, words=words)
    _console.say(f"{file}")
    _console.note(f"{file.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _text(folders: list[Path], out: Path | None, kind: Format, cost: bool, words: Words) -> None:
    from segkit import paths
    from segkit.report.text import as_text

    text = as_text(folders, kind.value, cost=cost, words=words)
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.is_dir():
        out = out / f"report.{'tex' if kind is Format.latex else kind.value}"
    elif out.suffix.lower() in (".html", ".htm"):
        raise UsageError(f"--out is {out}", f"the format is {kind.value}")
    _console.say(str(paths.write_text(out, text)))


def _json(folders: list[Path], cost: bool) -> None:
    from segkit.report.text import as_values

    _console.emit_json(as_values(folders, cost=cost))
