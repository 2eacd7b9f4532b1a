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


@app.command()
def claims(
    data: Annotated[str, typer.Argument(help="A dataset with published rows.")],
    pictures: Annotated[int, typer.Option(min=2, help="Test pictures behind the rows.")],
    page: Page = None,
    as_json: Json = False,
) -> None:
    """What published means without intervals can carry: bands, and the chance of a false order.

    Example: segkit study claims dsb2018 --pictures 134
    """
    from segkit.engine.studying import claims

    _hand_over(claims, claims.study(data, pictures), page, as_json)


@app.command()
def masks(
    run: Annotated[Path, typer.Argument(help="A scored run, best one of several --folds.")],
    exclude: Annotated[
        int, typer.Option(min=0, help="Leave so many of the most suspicious out of the split.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Where the split without them goes (.json).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Truths to doubt: the network, which never saw them, is sure, and they contradict it.

    Example: segkit study masks runs/unet-dsb2018 --exclude 5 --out split.json

    Look at them first: segkit view RUN, order "truth doubted first". Then train again with
    --split-file split.json and compare.
    """
    from segkit.engine.studying import masks
    from segkit.errors import UsageError

    if bool(exclude) != (out is not None):
        raise UsageError("--exclude and --out go together")
    made = masks.study(run)
    chosen = [row["id"] for row in made["found"][:exclude]]
    if out is not None:
        made["split"] = str(masks.without(run, chosen, out))
    if as_json:
        console.emit_json(made)
        return
    rows = [
        [row["id"], *(f"{row[key]:.3f}" for key in ("expected_dice", "dice", "suspicion"))]
        for row in made["found"][:20]
    ]
    heads = ("picture", "expected dice", "scored dice", "suspicion")
    title = f"{len(made['found'])} of {made['scored']} truths to look at"
    console.table(heads, rows, title=title, right=heads[1:])
    if out is not None:
        console.note(f"split without {len(chosen)} of them: {out}")


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
    """The command as a reader would type it, without the option that says where the page goes."""
    words = sys.argv[1:]
    if "--page" in words:
        at = words.index("--page")
        words = words[:at] + words[at + 2 :]
    return shlex.join(["segkit", *(Path(w).name if "/" in w else w for w in words)])
