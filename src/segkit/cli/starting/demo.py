"""`segkit demo`: the whole way, on pictures that segkit draws, in minutes on a CPU."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit import paths
from segkit.cli import _console, _training
from segkit.errors import UsageError

if TYPE_CHECKING:
    from segkit.events import Done

STAGES = 5
TRAINED = "dermoscopy"  # the network in the box that the last step shows


def command(
    architecture: Annotated[str, typer.Argument(help="A network: see segkit zoo.")] = "unet",
    data: Annotated[str, typer.Option(help="A built-in set: see segkit data list.")] = "demo",
    epochs: Annotated[int | None, typer.Option(help="How many epochs are trained.", min=1)] = None,
    size: Annotated[str, typer.Option(help="N or HxW.")] = "128",
    out: Annotated[Path | None, typer.Option(help="The run folder; default runs/demo.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The scores as JSON.")] = False,
) -> None:
    """Draw pictures, prepare them, train, score, and write a report: no download.

    Example: segkit demo --epochs 3
    """
    folder = out or paths.runs() / _free_name("demo")
    if (folder / "recipe.json").exists():
        raise UsageError(f"{folder} holds a run already", None, "Choose another folder with --out.")
    begun = time.monotonic()
    _step(1, f"prepare '{data}': pictures are drawn, packed and split")
    last = _train(architecture, data, size, epochs, folder)
    _step(4, "report")
    page = _report(folder)
    _step(5, f"outline a real picture with the trained network '{TRAINED}'")
    outlined = _outline(folder)
    summary = last.summary
    if as_json:
        _console.emit_json({"run": str(folder), "report": str(page), "summary": summary})
        return
    _training.conclude(last)
    _conclude(folder, page, outlined, data, time.monotonic() - begun)


def _free_name(stem: str) -> str:
    """`demo`, or `demo-2` … when earlier ones are there."""
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (paths.runs() / name).exists())


def _step(number: int, text: str) -> None:
    _console.note(_console.styled(f"{number}/{STAGES}", "bold"), f" {text}")


def _train(architecture: str, data: str, size: str, epochs: int | None, folder: Path) -> Done:
    """Prepare, train and score; the last event of the training."""
    from segkit import build
    from segkit.cli.sizes import parse_size
    from segkit.engine.training import request

    recipes = build.architecture(architecture).recipes
    quick = next((name for name in ("quick", "light", "paper") if name in recipes), None)
    flags: dict[str, dict[str, Any]] = {
        "data": {"name": data, "size": list(parse_size(size)), "split": "7:3"},
        "train": {"epochs": epochs},
    }
    asked = request.resolve(architecture, quick, flags)
    from segkit.engine.training.crossval import TrainingOptions, train
    from segkit.events import Done, FoldDone

    words = ["segkit", "demo", architecture, "--data", data, "--size", size]
    with _console.progress("draw and pack") as ticker:
        options = TrainingOptions(command=shlex.join(words), prepare_progress=ticker)
        events = train(asked.recipe, folder, options)
        first = next(events)
    _step(2, f"train {architecture} for {asked.recipe.train.epochs} epochs")

    def all_events() -> Any:
        yield first
        for event in events:
            if isinstance(event, FoldDone):
                yield event
                _step(3, "score the test part")
            else:
                yield event

    last = _training.follow(all_events(), json=False)
    assert isinstance(last, Done)
    return last


def _report(folder: Path) -> Path:
    from segkit.report.page import write_report

    return write_report([folder], folder / "report.html")


def _outline(folder: Path) -> Path | None:
    """A real picture under the trained network in the box; nothing where it is not installed."""
    from segkit.engine import register

    picture = register.example(TRAINED) if register.is_name(TRAINED) else None
    if picture is None:
        return None
    from segkit.engine.predicting.predictor import predict

    predict(TRAINED, picture, folder / "example")
    return folder / "example" / "overlays"


def _conclude(folder: Path, page: Path, outlined: Path | None, data: str, seconds: float) -> None:
    """What there is now, and what to try next."""
    _console.say(f"\nDone in {seconds:.0f} s.")
    _console.say(f"  report   {page}")
    _console.say(f"  run      {folder}")
    if outlined is not None:
        _console.say(f"  outline  {outlined} (segkit predict {TRAINED} YOUR.jpg --out masks/)")
    _console.say("\nNext:")
    _console.say(f"  segkit view {folder}                 browse the cases")
    _console.say(f"  segkit evaluate {folder} --protocol all   one prediction, every convention")
    _console.say(f"  segkit train egeunet --data {data} --size 128 --epochs 20   another network")
