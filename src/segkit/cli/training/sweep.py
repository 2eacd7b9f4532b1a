"""`segkit sweep`: grids and the papers' ablations as one resumable experiment."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.cli import _launching
from segkit.cli.training import searching
from segkit.errors import UsageError
from segkit.limits import MAX_SEED
from segkit.metrics.table import HEADLINE

if TYPE_CHECKING:
    from segkit.engine.experiments.studies import SweepPoint
    from segkit.events import SweepDone


def command(
    architecture: Annotated[
        str | None, typer.Argument(help="A network (a study names its own).")
    ] = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="section.key=a,b (repeatable: all combinations).")
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(min=1, help="So many trials by Optuna; --grid takes a..b and log:a..b too."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="A shipped study (--list), or twin: ARCH without scans.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the shipped studies.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only list the points.")] = False,
    data: Annotated[str | None, typer.Option(help="The dataset.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe of the network or a file.")] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate every point.")] = None,
    split: Annotated[str | None, typer.Option(help="7:3, 1500/650, official.")] = None,
    size: Annotated[str | None, typer.Option(help="N or HxW.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How many epochs are trained.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Pictures per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="The first seed.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Repeat with so many seeds.")] = 1,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of all points.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default runs/sweep-NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped sweep.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps.")] = "auto",
    on: _launching.On = "here",
    cluster: _launching.Cluster = None,
    emit: _launching.Emit = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Ablations and grids: one run per point under one split, a table and a plot.

    Example: segkit sweep unet --grid model.width=8,16 --grid optim.lr=1e-3,3e-3 --data demo
    """
    from segkit.cli.sizes import parse_size
    from segkit.engine.training import request

    if list_:
        _list(json)
        return
    if search is None:
        name, points = _points(architecture, grid or [], study)
    elif study or not grid or architecture is None or plan or seeds > 1:
        why = "not --study, --plan or --seeds"
        raise UsageError("--search needs ARCH and --grid", why, "--grid optim.lr=log:1e-4..1e-2")
    else:
        name, points = architecture, []
    flags: dict[str, dict[str, Any]] = {
        "data": {
            "name": data,
            "folds": folds,
            "split": split,
            "size": list(parse_size(size)) if size else None,
        },
        "optim": {"lr": lr},
        "train": {"epochs": epochs, "batch": batch, "seed": seed},
    }
    if search is not None:
        made = request.resolve(name, recipe, flags, set_ or [])
        told = {"device": device, "resume": resume}
        told["command"] = shlex.join(["segkit", *sys.argv[1:]])
        where = (on, cluster, emit, json)
        place = out or _folder(name, None, resume, "search")
        searching.search(made, grid or [], search, place, told, where)
        return
    asked = [
        (
            point,
            request.resolve(
                point.architecture or name, recipe, flags, [*(set_ or []), *point.assignments]
            ),
        )
        for point in points
    ]
    if plan:
        _show_plan(points, json)
        return
    folder = out or _folder(name, study, resume)
    for text in asked[0][1].notes:
        console.note(text)
    options = {"seeds": seeds, "device": device, "resume": resume}
    options["command"] = shlex.join(["segkit", *sys.argv[1:]])
    tried = [(point, made.recipe) for point, made in asked]
    if _launching.away(on, emit):
        _send(tried, folder, options, (on, cluster, emit, json))
    else:
        _run(tried, folder, options, json)


def _points(
    architecture: str | None, grid: list[str], study: str | None
) -> tuple[str, list[SweepPoint]]:
    """The network, and the points that are tried on it."""
    from segkit import build
    from segkit.engine.experiments import studies

    if bool(grid) == bool(study):
        raise UsageError("give --grid or --study", None, "Shipped studies: segkit sweep --list")
    if study == studies.TWIN:
        if architecture is None:
            raise UsageError("which network?", None, "Write: segkit sweep ARCH --study twin")
        return architecture, studies.twin(architecture)
    if study is not None:
        found = studies.study(study)
        if architecture not in (None, found.architecture):
            raise UsageError(f"study {study} is about {found.architecture}, not {architecture}")
        return found.architecture, list(found.points)
    if architecture is None:
        raise UsageError("the network is missing", None, "Write: segkit sweep ARCH --grid …")
    return build.architecture(architecture).name, studies.from_grids(grid)


def _folder(name: str, study: str | None, resume: bool, kind: str = "sweep") -> Path:
    from segkit import paths
    from segkit.engine.training.request import free_folder

    label = f"{kind}-{study or name}" + (f"-{name}" if study == "twin" else "")
    if not resume:
        return free_folder(paths.runs(), label)
    found = sorted(paths.runs().glob(f"{label}*/{kind}.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise UsageError(
            f"no {kind} '{label}' to resume in {paths.runs()}", None, "Name it: --out."
        )
    return found[-1].parent


def _run(points: list[Any], folder: Path, options: dict[str, Any], json: bool) -> None:
    from segkit.cli import _training
    from segkit.engine.experiments.sweep import sweep
    from segkit.engine.training.crossval import TrainingOptions
    from segkit.events import SweepDone

    last = _training.follow(sweep(points, folder, TrainingOptions(**options)), json)
    assert isinstance(last, SweepDone)
    if not json:
        _show(last)
    if any(row["state"] == "failed" for row in last.rows):
        raise typer.Exit(1)


def _send(
    points: list[Any],
    folder: Path,
    options: dict[str, Any],
    where: tuple[str, Path | None, Path | None, bool],
) -> None:
    """Every point as a task at another place."""
    from segkit.engine.launching import tasks
    from segkit.engine.launching.conclude import table
    from segkit.engine.training.crossval import TrainingOptions
    from segkit.events import SweepDone

    on, cluster, emit, json = where
    there = _launching.place(on, cluster)
    plan = tasks.of_sweep(points, folder, TrainingOptions(**options), there, console.note)

    def conclude(plan: Any) -> None:
        last = SweepDone(plan.out, table(plan))
        console.emit_json_line(last.document()) if json else _show(last)

    _launching.launch(plan, options["resume"], emit, json, conclude)
    if emit is None and _launching.failed(plan):
        raise typer.Exit(1)


def _show(last: SweepDone) -> None:
    """Print the table at the end of a sweep."""
    published = any(row["published"] for row in last.rows)
    rows = [_cells(row, published) for row in last.rows]
    columns = ["point", "parameters", *HEADLINE, "95 % of dice_image"]
    columns += ["as published"] if published else []
    console.table(columns, rows, last.run, right=columns[1:])
    console.note(f"table and plot: {last.run}/sweep.csv, sweep.svg")


def _cells(row: dict[str, Any], published: bool) -> list[str]:
    figures = ["" if row.get(name) is None else f"{row[name]:.4f}" for name in HEADLINE]
    if row["state"] != "done":
        figures[0] = row["state"]
    known = row.get("ci_low") is not None
    interval = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}" if known else ""
    parameters = f"{row['params']:,}" if row.get("params") else ""
    words = ", ".join(f"{key} {value:g}" for key, value in row["published"].items())
    return [row["point"], parameters, *figures, interval, *([words] if published else [])]


def _list(json: bool) -> None:
    """List the studies that come with segkit."""
    from segkit.engine.experiments import studies

    found = [studies.study(name) for name in studies.studies()]
    if json:
        keys = ("name", "title", "architecture", "source")
        console.emit_json(
            [{**{k: getattr(s, k) for k in keys}, "points": len(s.points)} for s in found]
        )
        return
    rows = [(s.name, s.architecture, len(s.points), s.title) for s in found]
    console.table(("study", "network", "points", "title"), rows, right=("points",))


def _show_plan(points: list[SweepPoint], json: bool) -> None:
    if json:
        console.emit_json([{"point": p.label, "settings": dict(p.settings)} for p in points])
        return
    rows = [(p.label, " ".join(p.assignments)) for p in points]
    console.table(("point", "settings"), rows)
