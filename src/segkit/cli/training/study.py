"""`segkit study`: questions about results, answered by a page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console

app = typer.Typer(no_args_is_help=True, help="Questions about results, answered by a page.")
Page = Annotated[Path | None, typer.Option(help="Write a Markdown page, its picture beside it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command()
def twin(
    folder: Annotated[Path, typer.Argument(help="A finished segkit sweep ARCH --study twin.")],
    page: Page = None,
    as_json: Json = False,
) -> None:
    """Does the scan earn its cost? Paired tests against the network without it.

    Example: segkit study twin runs/sweep-twin-ultralight_vmunet --page twin.md
    """
    from segkit.engine.studying import twin

    _hand_over(twin, twin.study(folder), page, as_json)


@app.command()
def lottery(
    run: Annotated[Path, typer.Argument(help="A scored run, best with several --seeds.")],
    page: Page = None,
    as_json: Json = False,
) -> None:
    """How far the score moves by the draw of the test pictures and of the seed alone.

    Example: segkit study lottery runs/unet-isic2017 --page lottery.md
    """
    from segkit.engine.studying import lottery

    _hand_over(lottery, lottery.study(run), page, as_json)


@app.command()
def raters(
    model: Annotated[Path, typer.Argument(help="A run or trained network on a set of two raters.")],
    page: Page = None,
    as_json: Json = False,
) -> None:
    """The human band: the network against each rater, the raters against each other.

    Example: segkit study raters vessels --page raters.md
    """
    from segkit.engine.studying import raters

    with console.progress("comparing", unit="pictures") as ticker:
        made = raters.study(model, ticker)
    _hand_over(raters, made, page, as_json)


@app.command()
def certified(
    files: Annotated[list[Path], typer.Argument(help="Certificates: files or their folders.")],
    page: Page = None,
    as_json: Json = False,
) -> None:
    """What certificates promised and kept: coverage, risk against coverage, deferral.

    Example: segkit study certified runs/unet-demo --page certified.md
    """
    from segkit.engine.studying import certified

    _hand_over(certified, certified.study(files), page, as_json)


def _hand_over(study: Any, made: Any, page: Path | None, as_json: bool) -> None:
    if page is not None:
        study.write(made, page, _command())
        console.note(f"page: {page}")
    if as_json:
        console.emit_json(made)
        return
    for sentence in study.sentences(made):
        console.say(sentence)


def _command() -> str:
    """As a reader would type it: without the place of the page."""
    words = sys.argv[1:]
    if "--page" in words:
        at = words.index("--page")
        words = words[:at] + words[at + 2 :]
    return shlex.join(["segkit", *(Path(w).name if "/" in w else w for w in words)])
