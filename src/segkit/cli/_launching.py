"""`--on`, `--cluster`, `--emit`: a plan is sent to a place, and followed from this terminal."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli import _console as console
from segkit.events import Event, TaskChanged, TaskRow

if TYPE_CHECKING:
    from segkit.engine.launching.plan import Plan
    from segkit.engine.launching.tasks import Place

PANEL = "Where it runs"
On = Annotated[
    str, typer.Option("--on", help="here, slurm or ray: see docs/scale.md.", rich_help_panel=PANEL)
]
Cluster = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        help="TOML: partition, time, gres, …; default ./cluster.toml.",
        rich_help_panel=PANEL,
    ),
]
Emit = Annotated[
    Path | None,
    typer.Option(
        "--emit", help="Write the job script there instead of sending it.", rich_help_panel=PANEL
    ),
]
COLUMNS = ("task", "state", "epochs", "val dice", "host", "tries")


def away(on: str, emit: Path | None) -> bool:
    """Whether `--on` or `--emit` asks for a plan; otherwise the command does the work itself."""
    from segkit.engine.launching import watching

    watching.launcher(on)  # an unknown name or a missing extra is said before anything is done
    return on != "here" or emit is not None


def place(on: str, cluster: Path | None) -> Place:
    """The launcher with its settings, and the threads of a task."""
    from segkit.engine.launching import watching
    from segkit.engine.launching.tasks import Place

    settings, said = watching.cluster(on, cluster)
    if said:
        console.note(said)
    cpus = settings.get("cpus") or settings.get("num_cpus") or os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS") or 0) or max(1, int(cpus))
    return Place(on, settings, threads)


def launch(
    plan: Plan,
    resume: bool,
    emit: Path | None,
    json: bool,
    conclude: Callable[[Plan], None],
) -> None:
    """Send a plan (or write its script), follow it to its end, and show its results."""
    from segkit import paths
    from segkit.engine.launching import states, watching

    plan = watching.renew(plan, resume)
    if emit is not None:
        script = watching.place(plan).script(plan, states.unfinished(plan))
        paths.write_text(emit, script).chmod(0o755)
        count = len(plan.tasks)
        console.note(f"{emit}: {count} tasks for {plan.on}; nothing was sent. {_how(plan, emit)}")
        console.note(f"watch them: segkit runs --watch {plan.out}")
        return
    numbers = watching.send(plan)
    console.note(f"{len(numbers)} of {len(plan.tasks)} tasks sent to {plan.on}: {plan.folder}")
    follow(plan, json)
    conclude(plan)


def _how(plan: Plan, emit: Path) -> str:
    return f"Send it: {'sbatch' if plan.on == 'slurm' else 'bash'} {emit}"


def follow(plan: Plan, json: bool) -> None:
    """Show a plan's tasks until they are over; Ctrl-C leaves them and says the way back."""
    from segkit.engine.launching import watching

    try:
        _show(watching.watch(plan), json)
    except KeyboardInterrupt:
        stop = getattr(watching.place(plan), "stop_words", None)
        console.note(f"The tasks go on. Watch them again: segkit runs --watch {plan.out}")
        if stop:
            console.note(f"End them: {stop(plan)}")
        raise typer.Exit(130) from None


def _show(events: Iterable[Event], json: bool) -> None:
    from segkit.engine.launching.watching import TasksSeen

    if sys.stderr.isatty() and not json:
        _live(events)
        return
    before: dict[int, TaskRow] = {}
    for event in events:
        if not isinstance(event, TasksSeen):
            _say(event, json)
            continue
        for row in event.rows:
            old = before.get(row.number)
            changed = old is None or (row.state, row.tries) != (old.state, old.tries)
            if changed:
                _say(TaskChanged(**dataclasses.asdict(row), of=len(event.rows)), json)
            before[row.number] = row


def _say(event: Event, json: bool) -> None:
    if json:
        console.emit_json_line(event.document())
    elif isinstance(event, TaskChanged):
        console.note(_line(event))
    else:
        console.note(event["text"])


def _line(task: TaskChanged) -> str:
    where = f" on {task.host}" if task.host and task.state == "running" else ""
    again = f", try {task.tries}" if task.tries > 1 else ""
    score = f", val dice {task.score:.4f}" if task.score is not None else ""
    reason = f": {task.reason}" if task.state == "failed" else ""
    return f"{task.number + 1}/{task.of} {task.name}: {task.state}{where}{again}{score}{reason}"


def _live(events: Iterable[Event]) -> None:
    """A table that is redrawn in place, and stays at the end."""
    from rich import box
    from rich.live import Live
    from rich.table import Table

    from segkit.engine.launching.watching import TasksSeen

    with Live(console=console.err(), refresh_per_second=2) as live:
        for event in events:
            if not isinstance(event, TasksSeen):
                live.console.print(console.line(event["text"]))
                continue
            table = Table(box=box.SIMPLE_HEAD)
            for name in COLUMNS:
                table.add_column(name)
            for row in event.rows:
                table.add_row(*map(console.line, cells(row)))
            live.update(table)


def cells(row: TaskRow) -> list[str]:
    """A task as a line of the table."""
    score = "" if row.score is None else f"{row.score:.4f}"
    state = f"failed: {row.reason}" if row.reason and row.state == "failed" else row.state
    return [row.name, state, str(row.epochs), score, row.host, str(row.tries)]


def failed(plan: Plan) -> bool:
    """Whether a task ended in an error; each error is printed as a warning."""
    from segkit.engine.launching import states

    found = states.failures(plan)
    for number, reason in found.items():
        console.warn(f"{plan.tasks[number].name} failed: {reason}")
    if found:
        console.note(f"logs: {plan.logs}; once mended, the same command with --resume goes on")
    return bool(found)
