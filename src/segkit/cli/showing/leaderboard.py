"""`segkit leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit import paths
from segkit.cli import _console
from segkit.errors import UsageError

COLUMNS = ("dice_image", "iou_image", "dice_pooled", "hd95 px", "hd95 % of diagonal", "size")


def command(
    data: Annotated[str, typer.Argument(help="A dataset's name.")],
    runs: Annotated[Path | None, typer.Option(help="Where the runs are (default: ./runs).")] = None,
    words: Annotated[
        str, typer.Option(help="plain, or claim: the words of CLAIM 2024 for a paper.")
    ] = "plain",
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """All scored runs on a dataset, best first; published rows stand apart, as printed.

    Example: segkit leaderboard isic2018
    """
    from segkit.engine.evaluating.comparison import leaderboard

    if runs is not None and not runs.is_dir():
        raise UsageError(f"--runs {runs} is no folder")
    made = leaderboard(data, runs or paths.runs())
    if json:
        _console.emit_json(made)
        return 0
    with _console.words(words):
        _show(made)
    return 0


def _show(made: dict[str, Any]) -> None:
    for one in made["broken"]:
        _console.warn(f"{one['run']} is left out: {one['reason']}")
    if made["runs"]:
        _console.table(
            ["run", "network", *COLUMNS, "n", "folds", "trained on", "selection"],
            [_run_row(row) for row in made["runs"]],
            title=f"Runs on {made['data']}",
            right=(*COLUMNS, "n", "folds"),
        )
        if not made["one_grid"]:
            _console.note("Scored at different sizes: compare hd95 in per cent of the diagonal.")
    else:
        _console.note(f"No scored run on {made['data']} here.")
    if made["published"]:
        _console.table(
            ["published as", "dice", "iou", "aggregation", "selection", "source"],
            [_published_row(row) for row in made["published"]],
            title="Published, not measured here: other splits, sizes and ways of scoring",
            right=("dice", "iou"),
        )
    elif not made["runs"]:
        _console.note("No published row is known either.")


def _run_row(row: dict[str, Any]) -> list[Any]:
    metrics = row["metrics"]
    dice = metrics["dice_image"]
    ends = dice["ci95"]
    interval = "" if ends is None else f" ({100 * ends[0]:.2f} to {100 * ends[1]:.2f})"
    return [
        row["name"],
        row["architecture"],
        f"{100 * dice['mean']:.2f}{interval}",
        f"{100 * metrics['iou_image']['mean']:.2f}",
        f"{100 * metrics['dice_pooled']['mean']:.2f}",
        f"{metrics['hd95']['mean']:.2f}",
        "" if metrics["hd95_percent"] is None else f"{metrics['hd95_percent']['mean']:.2f}",
        "x".join(map(str, row["size"])) + (" letterbox" if row["resize"] == "letterbox" else ""),
        row["n"],
        row["folds"],
        f"{row['trained_on']}{' (zero-shot)' if row['zero_shot'] else ''}",
        row["selection"],
    ]


def _published_row(row: dict[str, Any]) -> list[str]:
    scores = row["scores"]
    figures = [f"{100 * scores[name]:.2f}" if name in scores else "" for name in ("dice", "iou")]
    return [row["name"], *figures, row["aggregation"], row["selection"], row["source"]]
