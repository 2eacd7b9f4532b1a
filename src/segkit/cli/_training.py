"""How a training looks on a terminal: a live table, plain lines when piped, JSON for programs."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from segkit import events
from segkit.cli import _console as console
from segkit.metrics.table import HEADLINE

if TYPE_CHECKING:
    from rich.text import Text

KEPT = 8  # epochs in the live table


def follow(news: Iterator[events.Event], json: bool) -> events.Event:
    """Show the events as they come; the last one is returned."""
    view = LiveTable() if sys.stderr.isatty() and not json else PlainLines()
    last = events.Event()
    with view as drawn:
        for event in news:
            if json and not isinstance(event, events.Stepped):
                console.emit_json_line(event.document())
            drawn.show(event)
            last = event
    return last


class PlainLines:
    """A line per fold and epoch on stderr."""

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        """Plain lines hold nothing that must be closed."""

    def show(self, event: events.Event) -> None:
        """Draw one event of the training."""
        text = _line(event)
        if text:
            console.note(text)


def _line(event: events.Event) -> str | Text:
    match event:
        case events.Note() | events.FoldNote():
            return event.text
        case events.Warned() | events.FoldWarned():
            return console.warning(event.text)
        case events.PointStarted():
            return console.styled(f"{event.number}/{event.of}: {event.label}", "bold")
        case events.Started():
            return _start(event)
        case events.FoldStarted():
            return _fold(event)
        case events.EpochDone():
            return _epoch(event)
        case events.FoldDone():
            return f"{_label(event)}: best epoch {event.best_epoch}, {_score(event)}"
    return ""


def _start(event: events.Started) -> str | Text:
    more = f", {event.finished} finished before" if event.finished else ""
    jobs = len(event.folds)
    text = f"{event.architecture} on {event.data}: {jobs} fold{'s' * (jobs > 1)}{more}, "
    text += f"{event.device} → {event.run}"
    if event.selection == "test":
        warning = console.warning("the checkpoint is chosen on the test part (selection: test)")
        return console.line(text, "\n", warning)
    return text


def _fold(event: events.FoldStarted) -> str:
    going_on = event.from_epoch > 1 or event.from_step > 0
    start = f", from epoch {event.from_epoch}" if going_on else ""
    counts = f"{event.train} training pictures, {event.val} choose the epoch"
    return f"{_label(event)}: {counts}, {event.precision} on {event.device}{start}"


def _epoch(event: events.EpochDone) -> str:
    val = event.val
    scores = f" val dice {val['dice_image']:.4f} iou {val['iou_image']:.4f}" if val else ""
    mark = " *" if event.best else ""
    return (
        f"{_label(event)} epoch {event.epoch}: loss {event.loss:.4f}{scores} "
        f"lr {event.lr:.2e} {event.images_per_s:.1f} images/s{mark}"
    )


def _label(event: events.OfFold) -> str:
    seed = f" seed {event.seed}" if event.seed else ""
    return f"fold {event.fold}{seed}"


def _score(event: events.FoldDone) -> str:
    score = event.score
    return "not validated" if score is None else f"{event.select} {score:.4f}"


class LiveTable:
    """A table of the last epochs and a bar for the epoch that runs, redrawn in place."""

    def __enter__(self) -> LiveTable:
        from rich.live import Live as RichLive

        self.rows: list[events.EpochDone] = []
        self.step: events.Stepped | None = None
        self.begun: dict[tuple[int, int], float] = {}
        self.epochs = 0
        self.live = RichLive(console=console.err(), refresh_per_second=4, transient=True)
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.live.__exit__(*error)

    def show(self, event: events.Event) -> None:
        """Draw one event of the training."""
        match event:
            case events.Stepped():
                self.step = event
            case events.EpochDone():
                self.rows = [*self.rows, event][-KEPT:]
            case events.FoldStarted():
                self.epochs = event.epochs
                self.begun[event.seed, event.fold] = time.monotonic()
        if not isinstance(event, events.Stepped | events.EpochDone) and _line(event):
            self.live.console.print(console.line(_line(event)))
        self.live.update(self._table())

    def _table(self) -> Any:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, caption=self._caption(), caption_justify="left")
        for name in ("fold", "epoch", "loss", "val dice", "val IoU", "lr", "images/s", "MB"):
            table.add_column(name, justify="right")
        for row in self.rows:
            table.add_row(*_cells(row), style="bold" if row.best else None)
        return table

    def _caption(self) -> str:
        step = self.step
        if step is None:
            return ""
        done = f"{step.step}/{step.steps}"
        words = [f"epoch {step.epoch}/{self.epochs}", f"step {done}"]
        words += [f"loss {step.loss:.4f}", _time(self._left(step))]
        return ", ".join(filter(None, words))

    def _left(self, step: events.Stepped) -> float:
        """Seconds until the fold is done, from its mean speed so far."""
        begun = self.begun.get((step.seed, step.fold))
        mine = [row for row in self.rows if row.fold == step.fold]
        if begun is None or not mine or mine[-1].epoch >= self.epochs:
            return math.nan
        seconds = sum(row.seconds for row in mine) / len(mine)
        part = 1 - step.step / step.steps
        return seconds * (self.epochs - step.epoch + part)


def _cells(row: events.EpochDone) -> list[str]:
    val = row.val
    scores = [f"{val[name]:.4f}" if val else "" for name in ("dice_image", "iou_image")]
    place = [_label(row).removeprefix("fold "), str(row.epoch), f"{row.loss:.4f}"]
    speed = [f"{row.lr:.2e}", f"{row.images_per_s:.1f}", f"{row.memory_mb:.0f}"]
    return [*place, *scores, *speed]


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left"


def conclude(event: events.Done) -> None:
    """The scores at the end of a run: per fold, mean ± sd over folds, and the interval."""
    summary = event.summary
    if summary is None:
        console.note(f"trained: {event.run} (scores: segkit evaluate {event.run})")
        return
    metrics, folds = summary["metrics"], summary.get("folds") or []
    names = [name for name in HEADLINE if name in metrics]
    rows = [(_fold_name(row), *(_figure(row.get(name)) for name in names)) for row in folds]
    if len(folds) > 1:
        spread = [_spread([row[name] for row in folds]) for name in names]
        rows.append(("mean ± sd", *spread))
    rows.append(("all pictures", *(_figure(metrics[name]["mean"]) for name in names)))
    rows.append(("95 % interval", *(_interval(metrics[name]) for name in names)))
    title = f"{event.run}: test part, {summary['n']} pictures, selection {summary['selection']}"
    console.table(("", *names), rows, title, right=names)
    show_classes(summary.get("classes") or {})


CLASS_FIGURES = ("dice_image", "dice_present", "iou_image", "dice_pooled", "iou_pooled")


def show_classes(classes: dict[str, Any]) -> None:
    """A row per class against the rest; classes that no picture has are named below."""
    known = {name: one for name, one in classes.items() if "dice_image" in one}
    if not classes:
        return
    rows = [
        (name, str(one.get("pictures", "")), *(_percent(one.get(key)) for key in CLASS_FIGURES))
        for name, one in known.items()
    ]
    columns = ("class", "pictures", *CLASS_FIGURES)
    title = "Each class against the rest (dice_present: over the pictures that have it)"
    console.table(columns, rows, title, right=columns[1:])
    for name, one in classes.items():
        if name not in known:
            console.say(
                f"No picture has '{name}': it has no score and no part in the mean. It was "
                f"predicted in {one['predicted']} pictures."
            )


def _percent(figure: dict[str, Any] | None) -> str:
    return "" if figure is None or figure["mean"] is None else f"{100 * figure['mean']:.2f}"


def _fold_name(row: dict[str, Any]) -> str:
    seed = f" seed {row['seed']}" if str(row.get("seed", "0")) != "0" else ""
    return f"fold {row['fold']}{seed}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _spread(values: list[float]) -> str:
    """Mean and sample standard deviation."""
    if any(value is None for value in values):
        return ""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def _interval(figure: dict[str, Any]) -> str:
    low_high = figure.get("ci95")
    return f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
