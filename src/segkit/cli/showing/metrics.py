"""`segkit metrics`: which of the metrics a dataset asks for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.cli.data.preparing import Json, Name, Opt, Resize, Size, Variant

app = typer.Typer(no_args_is_help=True, help="Which metrics a dataset asks for.")
ROLES = {
    "overlap": "the pair",
    "boundary": "the pair",
    "beside": "beside it",
    "apart": "said apart",
    "avoid": "not alone",
}
EXTRA = {  # the metrics that `evaluate` works out when asked for
    "cldice": "cldice",
    "pq": "objects",
    "aji": "objects",
    "object_f1": "objects",
    "component_dice": "components",
    "betti_error": "betti",
    "auc_pr": "ranking",
}


@app.callback()
def metrics() -> None:
    """Which metrics a dataset asks for."""


@app.command()
def advise(
    name: Name,
    size: Size = None,
    resize: Resize = None,
    variant: Variant = "original",
    option: Opt = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="The reference is right to the pixel.")
    ] = False,
    instances: Annotated[
        bool | None,
        typer.Option("--instances/--no-instances", help="Objects are counted one by one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The pair of metrics that Metrics Reloaded asks for, and the facts that say so.

    Measured on up to 200 masks of the prepared set; what no mask tells are options.

    Example: segkit metrics advise chase
    """
    from segkit.cli.data.preparing import options_of, prepared_set
    from segkit.metrics.advising import facts, rules

    prepared = prepared_set(name, size, resize, variant, options_of(option))
    found: list[dict[str, Any]] = [
        {"facts": one.__dict__, "advice": [a.__dict__ for a in rules.advise(one, exact, instances)]}
        for one in facts.measure(prepared.masks, prepared.classes)
        if one.empty < 1.0
    ]
    if as_json:
        console.emit_json({"data": prepared.name, "structures": found})
        return
    for one in found:
        _show(prepared.name, one)
    extras = sorted({EXTRA[a["metric"]] for one in found for a in one["advice"] if _extra(a)})
    more = f" --metrics {','.join(extras)}" if extras else ""
    console.say(f"next: segkit evaluate RUN{more}")


def _extra(advice: dict[str, Any]) -> bool:
    return advice["metric"] in EXTRA and advice["role"] != "avoid"


def _show(name: str, found: dict[str, Any]) -> None:
    facts = found["facts"]
    rows = [[ROLES[a["role"]], a["metric"], a["reason"]] for a in found["advice"]]
    console.table(["use", "metric", "because"], rows, title=f"{name}: {facts['structure']}")
    console.say(
        f"Measured on {facts['pictures']} masks of {facts['height']}x{facts['width']}: "
        f"{facts['objects']:g} parts a picture (median), length over width of a part "
        f"{facts['elongation']:.3g}, one pixel of outline {100 * facts['rim']:.1f} points of Dice, "
        f"large parts {facts['sizes']:.0f} times the small ones, {100 * facts['empty']:.0f} % "
        "of the pictures empty."
    )
