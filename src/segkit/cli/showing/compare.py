"""`segkit compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console
from segkit.limits import MAX_SEED


def command(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run folders.")],
    metric: Annotated[
        str, typer.Option(help="dice_image, iou_image, dice_pooled, hd95, …")
    ] = "dice_image",
    data: Annotated[
        str | None, typer.Option(help="Compare on another dataset that the runs were scored on.")
    ] = None,
    at: Annotated[str, typer.Option(help="prepared, or original: see segkit evaluate --at.")] = (
        "prepared"
    ),
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the resampling.")] = 0,
    words: Annotated[
        str, typer.Option(help="plain, or claim: the words of CLAIM 2024 for a paper.")
    ] = "plain",
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Paired tests on the pictures that all runs have scored: who is better, who is tied.

    Example: segkit compare runs/unet-demo runs/qtseg-demo
    """
    from segkit.engine.evaluating.comparison import compare

    made = compare(list(runs), metric=metric, data=data, at=at, seed=seed)
    if json:
        _console.emit_json(made)
        return 0
    with _console.words(words):
        _show(made)
    return 0


def _show(made: dict[str, Any]) -> None:
    unit = 1.0 if made["in_pixels"] else 100.0
    _console.table(
        ["run", "network", made["metric"], "95 % interval", "tie", "first in", "selection"],
        [_run_row(row, unit) for row in made["runs"]],
        title=f"{made['data']}, n = {made['n']} shared pictures",
        right=(made["metric"], "95 % interval", "first in"),
    )
    _console.table(
        ["pair", "difference", "95 % interval", "p (Holm)", "Wilcoxon", "wins", "shown from"],
        [_pair_row(pair, unit) for pair in made["pairs"]],
        title="Pairs (paired permutation test)",
        right=("difference", "95 % interval", "p (Holm)", "Wilcoxon", "wins", "shown from"),
    )
    _console.say(
        "Runs that share a letter cannot be told apart at 5 %. 'shown from': the smallest true "
        "difference that these pictures show with 80 % power. Order kept under resampling: "
        f"{made['rank_agreement']:.2f} (Kendall)."
    )
    for pair in made["pairs"]:
        _show_again(pair, unit)
    for note in made["notes"]:
        _console.warn(note)


def _run_row(row: dict[str, Any], unit: float) -> list[str]:
    return [
        row["name"],
        row["architecture"],
        f"{unit * row['mean']:.2f}",
        _ends(row["ci95"], unit),
        row["tie_group"],
        f"{100 * row['rank']['first']:.0f} %",
        row["selection"],
    ]


def _pair_row(pair: dict[str, Any], unit: float) -> list[str]:
    return [
        f"{pair['a']} - {pair['b']}",
        f"{unit * pair['difference']:+.2f}",
        _ends(pair["ci95"], unit),
        f"{pair['p_holm']:.3g}",
        f"{pair['p_wilcoxon']:.3g}",
        f"{pair['wins']}:{pair['losses']}",
        f"{unit * pair['detectable']:.2f}",
    ]


def _show_again(pair: dict[str, Any], unit: float) -> None:
    """The difference with the chance of training in it, where both runs have it."""
    found = pair["other_trainings"]
    if found and found["ci95"]:
        many = " and ".join(map(str, sorted(set(found["trainings"]))))
        _console.say(
            f"{pair['a']} - {pair['b']}, over pictures and trainings ({many} {found['unit']}s): "
            f"{_ends(found['ci95'], unit)} (95 %)."
        )


def _ends(ends: list[float] | None, unit: float) -> str:
    return "" if ends is None else f"{unit * ends[0]:.2f} to {unit * ends[1]:.2f}"
