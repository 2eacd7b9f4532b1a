"""A sweep: one run per point under one split and recipe, resumable, with a table and a plot.

out/  sweep.json  sweep.csv  sweep.svg  <point>/ (a run folder each)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from segkit import paths, words
from segkit.engine.experiments.studies import SweepPoint
from segkit.engine.runs import Run, open_run
from segkit.engine.training.crossval import TrainingOptions, train
from segkit.errors import SegkitError, UsageError
from segkit.events import Done, Event, PointDone, PointStarted, SweepDone, Warned
from segkit.metrics.table import HEADLINE
from segkit.recipe import Recipe

COLUMNS = ("point", "state", "params", "n", *HEADLINE, "ci_low", "ci_high", "run")


def sweep(
    points: Sequence[tuple[SweepPoint, Recipe]],
    out: Path,
    options: TrainingOptions,
    show: str = "dice_image",
) -> Iterator[Event]:
    """Train and score every point; a point that fails is said and does not end the others."""
    check(points, out, options.resume)
    tried = [point for point, _ in points]
    write(out, tried, show, {})
    failed: dict[str, str] = {}
    for number, (point, recipe) in enumerate(points, 1):
        folder = out / point.folder
        yield PointStarted(point.label, number, len(points))
        if _done(folder):
            continue
        started = (folder / "recipe.json").is_file()
        own = TrainingOptions(**{**vars(options), "resume": started})
        try:
            for event in train(recipe, folder, own):
                yield PointDone(event.run, event.summary) if isinstance(event, Done) else event
        except UsageError:
            raise
        except SegkitError as error:
            if error.exit_code > 128:  # a signal: the whole sweep stops
                raise
            failed[point.label] = str(error.why or error.what)
            yield Warned(f"{point.label} failed: {error.as_text()}")
        write(out, tried, show, failed)
    yield SweepDone(str(out), write(out, tried, show, failed))


def check(points: Sequence[tuple[SweepPoint, Recipe]], out: Path, resume: bool) -> None:
    """Refuse points that would share a folder, and a folder that is taken."""
    names = [point.folder for point, _ in points]
    if len(set(names)) < len(names):
        raise UsageError("two points have the same name", ", ".join(names))
    if (out / "sweep.json").exists() and not resume:
        raise UsageError(f"{out} is a sweep already", None, "Go on with --resume, or change --out.")


def _done(folder: Path) -> bool:
    return (folder / "recipe.json").is_file() and open_run(folder).state == "done"


def write(
    out: Path, points: Sequence[SweepPoint], show: str, failed: dict[str, str]
) -> list[dict[str, Any]]:
    """The table and the plot of what is there by now."""
    rows = [row(point, out, failed) for point in points]
    document = {"show": show, "points": [vars(point) for point in points], "rows": rows}
    paths.write_json(out / "sweep.json", document)
    paths.write_text(out / "sweep.csv", words.csv_text(COLUMNS, rows, extra=True))
    paths.write_text(out / "sweep.svg", plot(rows, show))
    return rows


def row(point: SweepPoint, out: Path, failed: dict[str, str]) -> dict[str, Any]:
    """One line of the table."""
    folder = out / point.folder
    found: dict[str, Any] = {"point": point.label, "run": str(folder), "state": "waiting"}
    found |= {"settings": dict(point.settings), "published": dict(point.published)}
    if point.label in failed:
        return {**found, "state": "failed", "reason": failed[point.label]}
    if not (folder / "recipe.json").is_file():
        return found
    run = open_run(folder)
    found |= {"state": run.state, "params": _parameters(run)}
    if run.summary:
        metrics = run.summary["metrics"]
        found |= {name: metrics[name]["mean"] for name in HEADLINE if name in metrics}
        low, high = metrics["dice_image"].get("ci95") or (None, None)
        found |= {"n": run.summary["n"], "ci_low": low, "ci_high": high}
    return found


def _parameters(run: Run) -> int | None:
    results = [fold.result for fold in run.folds if fold.finished]
    return results[0].get("parameters") if results and results[0] else None


def plot(rows: Sequence[dict[str, Any]], show: str) -> str:
    """Points as dots with their intervals, one line each: an SVG without a library."""
    known = [row for row in rows if row.get(show) is not None]
    values = [row[key] for row in known for key in (show, "ci_low", "ci_high") if row.get(key)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low, high = low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1)
    left, width, line = 230, 640, 26
    height = line * (len(rows) + 2)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 70)

    parts = [_words(8, 16, f"{show}, mean and 95 % interval", "bold")]
    for number, row in enumerate(rows):
        y = line * (number + 1.5)
        parts.append(_words(8, y + 4, row["point"]))
        if row.get(show) is None:
            parts.append(_words(left, y + 4, row["state"]))
            continue
        if show == "dice_image" and row.get("ci_low") is not None:
            ends = f'x1="{x(row["ci_low"]):.1f}" x2="{x(row["ci_high"]):.1f}"'
            parts.append(f'<line {ends} y1="{y}" y2="{y}" stroke="#7fb3d5" stroke-width="3"/>')
        parts.append(f'<circle cx="{x(row[show]):.1f}" cy="{y}" r="5" fill="#1a5276"/>')
        parts.append(_words(width - 60, y + 4, f"{row[show]:.4f}"))
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}">'
    return "\n".join([start, *parts, "</svg>", ""])


def _words(x: float, y: float, text: str, weight: str = "normal") -> str:
    style = f'font-size="12" font-family="sans-serif" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'
