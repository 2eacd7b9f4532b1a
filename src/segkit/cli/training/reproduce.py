"""`segkit reproduce`: a published row, run again, and the verdict."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit import paths
from segkit.cli import _console, _launching, _training
from segkit.errors import UsageError

if TYPE_CHECKING:
    from segkit.engine.experiments.reproduce import Order
    from segkit.events import Event

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def command(
    card: Annotated[str | None, typer.Argument(help="A reproduction card: see --list.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="All reproduction cards.")] = False,
    budget: Annotated[str | None, typer.Option(help="Time for the training: 20m, 2h.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Fewer than the card says.", min=1)] = None,
    size: Annotated[str | None, typer.Option(help="Another size: N or HxW.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps.")] = "auto",
    fold: Annotated[int | None, typer.Option(help="Only this fold.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: section.key=value.")
    ] = None,
    fold_jobs: Annotated[str, typer.Option(help="Folds at the same time, or auto.")] = "1",
    out: Annotated[Path | None, typer.Option(help="The run folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    on: _launching.On = "here",
    cluster: _launching.Cluster = None,
    emit: _launching.Emit = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Train a published row as its card says, score it as the paper did, and state the verdict.

    Example: segkit reproduce qtseg-dsb2018 --budget 20m
    """
    if list_ or card is None:
        _list(as_json)
        return
    from segkit.cli.sizes import parse_jobs
    from segkit.engine.experiments import reproduction_cards

    reproduction_cards.read(card)
    seconds, square, jobs = _seconds(budget), _size(size), parse_jobs(fold_jobs)
    from segkit.engine.experiments.reproduce import Order
    from segkit.engine.training.crossval import TrainingOptions

    options = TrainingOptions(
        device=device,
        resume=resume,
        folds=None if fold is None else [fold],
        fold_jobs=jobs,
        command=shlex.join(["segkit", *sys.argv[1:]]),
    )
    where = out or paths.runs() / card
    order = Order(card, where, epochs, square, seconds, tuple(set_ or ()), options)
    if _launching.away(on, emit):
        document = _send(order, (on, cluster, emit, as_json))
    else:
        document = _run(order, quiet=as_json)
    if not document:
        return
    if as_json:
        _console.emit_json(document)
    else:
        _show(document)
    if document["verdict"].startswith("not reproduced"):
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from segkit.engine.experiments import reproduction_cards

    rows = reproduction_cards.listing()
    if as_json:
        _console.emit_json(rows)
        return
    cells = [
        [row["name"], row["dataset"], row["evaluate"], row["protocol"], _figures(row["published"])]
        for row in rows
    ]
    _console.table(["card", "trains on", "scored on", "protocol", "published"], cells)


def _figures(published: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in published.items())


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not match:
        raise UsageError(f"--budget {text!r} is not understood", "write 90s, 20m or 2h")
    seconds = float(match[1]) * UNITS[match[2]]
    if seconds == 0:
        raise UsageError(f"--budget is {text}", "some time is needed")
    return seconds


def _size(text: str | None) -> tuple[int, int] | None:
    from segkit.cli.sizes import parse_size

    return parse_size(text) if text else None


def _send(order: Order, where: tuple[str, Path | None, Path | None, bool]) -> dict[str, Any]:
    """Every fold as a task at another place; the verdict's document, if there is one by then."""
    from segkit.engine.experiments.reproduce import FILE
    from segkit.engine.launching import tasks

    on, cluster, emit, quiet = where
    plan = tasks.of_card(order, _launching.place(on, cluster), _console.note)
    _launching.launch(plan, order.options.resume, emit, quiet, lambda plan: None)
    if emit is not None:
        return {}
    if _launching.failed(plan):
        raise typer.Exit(1)
    return dict(paths.read_json(Path(plan.out) / FILE))


def _run(order: Order, quiet: bool) -> dict[str, Any]:
    """Carry the order out; the verdict's document."""
    from segkit.engine.experiments.reproduce import reproduce
    from segkit.events import Stepped

    def shown() -> Iterator[Event]:
        for event in reproduce(order):
            if not (quiet and isinstance(event, Stepped)):
                yield event

    return _training.follow(shown(), json=False).document()


def _show(document: dict[str, Any]) -> None:
    rows = [
        [
            row["figure"],
            f"{row['published']:.2f}",
            "" if row["ours"] is None else f"{row['ours']:.2f}",
            "" if row["ci95"] is None else f"{row['ci95'][0]:.2f} to {row['ci95'][1]:.2f}",
            "" if row["difference"] is None else f"{row['difference']:+.2f}",
        ]
        for row in document["rows"]
    ]
    columns = ["figure", "published", "ours", "95 % interval", "difference"]
    _console.table(columns, rows, f"{document['card']}: {document['row']}", right=columns[1:])
    _console.say(_console.styled(document["verdict"], "bold"))
    for item in [*document["scaled"], *document["known_differences"]]:
        _console.say(f"  - {item}")
    _console.say(f"written: {document['run']}/reproduction.md and .json")
