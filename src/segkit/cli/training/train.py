"""`segkit train`: options to a recipe, the recipe to a run, its events to the terminal."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit import plugins
from segkit.cli import _launching
from segkit.errors import UsageError
from segkit.limits import MAX_SEED

if TYPE_CHECKING:
    from segkit.engine.training.request import Request

PANEL_DATA, PANEL_RECIPE, PANEL_RUN = "Data", "Recipe", "How it runs"


def _option(help_text: str, *names: str, panel: str = PANEL_RECIPE, **more: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **more)


def command(
    architecture: Annotated[str, typer.Argument(help="A network: see segkit zoo.")],
    data: Annotated[str | None, _option("The dataset.", panel=PANEL_DATA)] = None,
    folds: Annotated[int | None, _option("Cross-validate.", panel=PANEL_DATA)] = None,
    fold: Annotated[str | None, _option("Only these folds: 2 or 0,3.", panel=PANEL_DATA)] = None,
    split: Annotated[
        str | None, _option("7:3, 8:1:1, 1500/650 or official.", panel=PANEL_DATA)
    ] = None,
    split_file: Annotated[Path | None, _option("A saved split.", panel=PANEL_DATA)] = None,
    protocol: Annotated[
        str | None, _option("A published split rule and size.", panel=PANEL_DATA)
    ] = None,
    strict: Annotated[
        bool, _option("Refuse splits that tear groups apart.", "--strict", panel=PANEL_DATA)
    ] = False,
    size: Annotated[str | None, _option("N or HxW.", panel=PANEL_DATA)] = None,
    variant: Annotated[
        str | None, _option("original, or another variant: segkit data info.", panel=PANEL_DATA)
    ] = None,
    option: Annotated[
        list[str] | None,
        _option("An option of the dataset: key=value (repeatable).", panel=PANEL_DATA),
    ] = None,
    augment: Annotated[
        str | None, _option("A policy, or a saved albumentations file.", panel=PANEL_DATA)
    ] = None,
    recipe: Annotated[
        str | None, _option("A recipe of the network (paper, …) or a TOML/JSON file.")
    ] = None,
    epochs: Annotated[int | None, _option("How many epochs are trained.", min=1)] = None,
    batch: Annotated[str | None, _option("Pictures per step, or auto.")] = None,
    lr: Annotated[float | None, _option("The learning rate.")] = None,
    seed: Annotated[int | None, _option("The first seed.", min=0, max=MAX_SEED)] = None,
    seeds: Annotated[int, _option("Repeat with so many seeds.", min=1)] = 1,
    select_on: Annotated[str | None, _option("val, or test (said in every output).")] = None,
    init: Annotated[
        str | None, _option("Start from a run, a file or known weights: NAME_OR_FILE[:part].")
    ] = None,
    set_: Annotated[
        list[str] | None, _option("Any setting: section.key=value (repeatable).", "--set")
    ] = None,
    out: Annotated[
        Path | None, _option("The run folder; default runs/ARCH-DATA.", panel=PANEL_RUN)
    ] = None,
    resume: Annotated[
        bool, _option("Go on with a stopped run.", "--resume", panel=PANEL_RUN)
    ] = False,
    device: Annotated[str, _option("auto, cpu, cuda, cuda:N, mps.", panel=PANEL_RUN)] = "auto",
    amp: Annotated[str | None, _option("auto, bf16, fp16, off.", panel=PANEL_RUN)] = None,
    compile_: Annotated[
        bool | None, _option("torch.compile.", "--compile/--no-compile", panel=PANEL_RUN)
    ] = None,
    channels_last: Annotated[
        bool | None, _option("Memory layout.", "--channels-last/--channels-first", panel=PANEL_RUN)
    ] = None,
    tf32: Annotated[bool, _option("TF32 on NVIDIA GPUs.", panel=PANEL_RUN)] = True,
    backend: Annotated[str | None, _option("Force a scan backend.", panel=PANEL_RUN)] = None,
    fold_jobs: Annotated[str, _option("Folds at the same time, or auto.", panel=PANEL_RUN)] = "1",
    nproc: Annotated[
        int, _option("Processes for each fold (torchrun).", min=1, panel=PANEL_RUN)
    ] = 1,
    workers: Annotated[int | None, _option("Loader threads.", min=0, panel=PANEL_RUN)] = None,
    save_minutes: Annotated[
        float | None, _option("Save the state so often too.", panel=PANEL_RUN)
    ] = None,
    log: Annotated[
        list[str] | None, _option("tensorboard, mlflow, wandb (repeatable).", panel=PANEL_RUN)
    ] = None,
    register: Annotated[
        str, _option("What the run is to show, fixed before the first step.", panel=PANEL_RUN)
    ] = "",
    least: Annotated[
        float, _option("With --register: the smallest difference of interest.", panel=PANEL_RUN)
    ] = 0.01,
    on: _launching.On = "here",
    cluster: _launching.Cluster = None,
    emit: _launching.Emit = None,
    json: Annotated[bool, _option("One JSON object per line.", "--json", panel=PANEL_RUN)] = False,
) -> None:
    """Train a network: one split, folds or seeds. A stopped run goes on with --resume, to the bit.

    Example: segkit train qtseg --data dsb2018 --folds 5
    """
    options = dict(locals())
    start(options.pop("architecture"), options)


def start(
    architecture: str, asked: Mapping[str, Any], distil: Mapping[str, Any] | None = None
) -> None:
    """Train as `command` was asked to; `distil` names a teacher, `usual` its recipe."""
    from segkit.engine import group
    from segkit.engine.training import request

    flags = _flags(asked) | {"distil": dict(distil or {})}
    out, resume = asked["out"], asked["resume"]
    found, folder = request.resolve_for_run(
        architecture,
        asked["recipe"],
        flags,
        asked["set_"] or [],
        out,
        resume,
        usual=asked.get("usual"),
    )
    _check(asked["log"] or [], asked["backend"])
    if asked.get("register"):
        _check_register(asked)
    elsewhere = _launching.away(asked["on"], asked["emit"])
    if elsewhere and (asked["nproc"] > 1 or asked["batch"] == "auto"):
        what = "nproc" if asked["nproc"] > 1 else "batch auto"
        raise UsageError(
            f"--{what} does not go with --on {asked['on']}",
            "each fold is a task of its own there, on a machine that this one cannot measure",
        )
    if asked["nproc"] > 1 and "WORLD_SIZE" not in os.environ:
        _launch(asked["nproc"], [] if out else ["--out", str(folder)])
    if out is None and group.wanted():
        raise UsageError("several processes need --out", "each would name the run folder itself")
    if elsewhere:
        where = (asked["on"], asked["cluster"], asked["emit"], asked["json"])
        _send(found, folder, _options(asked), asked["backend"], where)
        return
    _run(found, folder, _options(asked), asked["backend"], asked["json"])


def _check_register(asked: Mapping[str, Any]) -> None:
    from segkit.engine import registration

    registration.check(asked["register"], asked["least"])
    if asked["on"] != "here" or asked["emit"]:
        raise UsageError("--register does not go with --on", "only runs that start here can be")


def _flags(asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that are settings of the recipe, by section; None is not asked for."""
    from segkit.cli.sizes import parse_size

    size, split_file = asked["size"], asked["split_file"]
    data = {key: asked[key] for key in ("folds", "split", "protocol", "augment")}
    train = ("epochs", "init", "seed", "select_on", "amp", "channels_last")
    return {
        "data": {
            "name": asked["data"],
            **data,
            "split_file": str(split_file) if split_file else None,
            "size": list(parse_size(size)) if size else None,
            "variant": asked["variant"],
            "options": _dataset_options(asked["option"]),
        },
        "optim": {"lr": asked["lr"]},
        "train": {
            **{key: asked[key] for key in train},
            "batch": _batch(asked["batch"]),
            "compile": asked["compile_"],
        },
    }


def _options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options that say how the recipe is carried out."""
    from segkit.cli.sizes import parse_jobs

    same = ("seeds", "device", "resume", "save_minutes", "strict", "tf32")
    return {
        **{key: asked[key] for key in same},
        "folds": _numbers(asked["fold"]),
        "register": asked.get("register") or "",
        "least": asked.get("least") or 0.01,
        "loggers": tuple(asked["log"] or ()),
        "find_batch": asked["batch"] == "auto",
        "fold_jobs": parse_jobs(asked["fold_jobs"]),
        "workers": 1 if asked["workers"] is None else asked["workers"],
        "command": shlex.join(["segkit", *sys.argv[1:]]),
    }


def _send(
    asked: Request,
    folder: Path,
    options: dict[str, Any],
    backend: str | None,
    where: tuple[str, Path | None, Path | None, bool],
) -> None:
    """Every fold of every seed as a task at another place; the scores at the end."""
    from segkit.cli import _console as console

    on, cluster, emit, json = where
    for text in asked.notes:
        console.note(text)
    if backend is not None:
        os.environ["SEGKIT_BACKEND"] = backend
    from segkit.engine.launching import tasks
    from segkit.engine.training.crossval import TrainingOptions

    with console.progress("prepare") as ticker:
        made = TrainingOptions(**options, prepare_progress=ticker)
        there = _launching.place(on, cluster)
        plan = tasks.of_run(asked.recipe, folder, made, there, console.note)
    _launching.launch(plan, options["resume"], emit, json, lambda plan: _result(plan.out, json))
    if emit is None and _launching.failed(plan):
        raise typer.Exit(1)


def _result(out: str, json: bool) -> None:
    """The scores of a run whose folds were trained elsewhere."""
    from segkit.cli import _console as console
    from segkit.cli import _training
    from segkit.engine.runs import open_run
    from segkit.events import Done

    done = Done(out, open_run(out).summary)
    if json:
        console.emit_json_line(done.document())
    else:
        _training.conclude(done)


def _run(
    asked: Request, folder: Path, options: dict[str, Any], backend: str | None, json: bool
) -> None:
    """Train, drawing as it goes; the scores at the end."""
    from segkit.cli import _console as console
    from segkit.cli import _training
    from segkit.engine import group

    main = group.rank() == 0
    for text in asked.notes if main else []:
        console.note(text)
    if backend is not None:
        os.environ["SEGKIT_BACKEND"] = backend
    from segkit.engine.training.crossval import TrainingOptions, train
    from segkit.events import Done, Note

    with console.progress("prepare") as ticker:
        made = TrainingOptions(**options, prepare_progress=ticker)
        events = train(asked.recipe, folder, made)
        head = [next(events)]
        while isinstance(head[-1], Note):
            head.append(next(events))
    events = itertools.chain(head, events)
    if not main:
        for _ in events:
            pass
        return
    last = _training.follow(events, json)
    if not json and isinstance(last, Done):
        _training.conclude(last)


def _dataset_options(pairs: list[str] | None) -> dict[str, str] | None:
    """`--option classes=three` as key and value."""
    wrong = [text for text in pairs or [] if "=" not in text]
    if wrong:
        raise UsageError(f"--option {wrong[0]!r} is not understood", "write --option key=value")
    return dict(text.split("=", 1) for text in pairs) if pairs else None  # type: ignore[misc]


def _check(loggers: Sequence[str], backend: str | None) -> None:
    """Check the names of plugins before torch is imported."""
    for group, names in (("loggers", loggers), ("backends", [backend] if backend else [])):
        for name in names:
            plugins.get(group, name)


def _batch(text: str | None) -> int | None:
    if text in (None, "auto"):
        return None
    assert text is not None
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch {text!r} is not understood", "write a number, or auto")
    return int(text)


def _numbers(text: str | None) -> list[int] | None:
    """`--fold 2` or `--fold 0,3`."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise UsageError(f"--fold {text!r} is not understood", "write one number, or several: 0,3")
    return [int(part) for part in parts]


def _launch(count: int, more: list[str]) -> None:
    """Replace this process by torchrun, which starts this command in `count` processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    # behind "--" torchrun does not take our options for abbreviations of its own
    command = [*launcher, f"--nproc-per-node={count}", "-m", "--", "segkit", *sys.argv[1:], *more]
    sys.stdout.flush()
    os.execv(sys.executable, command)
