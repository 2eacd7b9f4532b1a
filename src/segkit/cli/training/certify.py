"""`segkit certify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console

FORMS = {
    "expectation": "on average over pictures",
    "per_picture": "for each picture, with the probability promised",
}


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or a trained network by its name.")],
    alpha: Annotated[
        float,
        typer.Option(
            help="Share of the truth that the outer margin may miss, and of the core "
            "that may be false."
        ),
    ] = 0.1,
    delta: Annotated[
        float, typer.Option(help="Share of pictures for which that may fail (per-picture form).")
    ] = 0.1,
    data: Annotated[
        str | None, typer.Option(help="Calibrate on another dataset (default: the run's own).")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="The network of this fold.")] = None,
    tta: Annotated[str | None, typer.Option(help="none, flips or d4 (default: the run's).")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder or .json file (default: into the run).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the halves.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Margins with a guarantee: how far the outline can be off, and how good a mask probably is.

    Example: segkit certify runs/unet-demo --alpha 0.1

    The outer margin holds at least 1 - alpha of the truth, the core is at most alpha false: on
    average, and for each picture with probability 1 - delta. Half of the validation part calibrates
    them, the test part checks them. `certificate.json` goes into the run; predict, view and report
    draw the band from then on.
    """
    from segkit.engine.certifying.certify import CertificateSettings, certify, place_for, save

    place = place_for(run, out)
    wanted = CertificateSettings(alpha, delta, data, fold, tta, device, seed)
    with _console.progress("measuring", unit="pictures") as ticker:
        made = certify(run, wanted, ticker)
    save(made, place)
    if json:
        _console.emit_json(made)
    else:
        _show(made)
        _console.note(f"written to {place}")
    return 0


def _show(made: dict[str, Any]) -> None:
    many = made["pictures"]
    _console.table(
        ["class", "group", "form", "margin", "px", "promised", "held on the test part", "n"],
        list(_rows(made)),
        title=f"{made['model']}: alpha {made['alpha']:g}, delta {made['delta']:g}, calibrated on "
        f"{many['calibration']} pictures of {made['data']}",
        right=("px", "promised", "n"),
    )
    _console.say(
        f"Margins in {made['unit']}. Forms: expectation is {FORMS['expectation']}; "
        f"per picture is {FORMS['per_picture']}."
    )
    for row in _too_few(made):
        _console.say(f"Too few pictures for a margin of its own: {row}; the one of 'all' is used.")
    _show_doubt(made)
    found = made["shift"].get("test_part")
    if found and found["p"] is not None and found["p"] <= 0.01:
        _console.warn(
            f"the test part is unlike the calibration pictures (p = {found['p']:.3g}; "
            f"{found['moved']})"
        )
    for note in made["notes"]:
        _console.note(note)


def _rows(made: dict[str, Any]) -> Any:
    for row in made["coverage"]:
        low, high = (f"{100 * end:.1f}" if end is not None else "?" for end in row["ci95"])
        yield [
            row["class"],
            row["group"],
            row["form"].replace("_", " "),
            row["side"],
            "none" if row["radius"] is None else f"{row['radius']:g}",
            f"{100 * row['promised']:.0f} %",
            f"{100 * row['value']:.1f} % ({low} to {high})",
            row["n"],
        ]


def _too_few(made: dict[str, Any]) -> list[str]:
    return [
        f"{row['class']} {row['group']} (n = {row['n']})"
        for row in made["margins"]
        if not row["enough"]
    ]


def _show_doubt(made: dict[str, Any]) -> None:
    found = made["doubt"]
    if not found:
        _console.say("Too few pictures to estimate the Dice of a prediction.")
        return
    checked = found.get("test_part")
    if checked:
        _console.say(
            f"Estimated Dice: off by {checked['mean_error']:.3f} on average on {checked['n']} test "
            f"pictures; its {100 * found['level']:.0f} % interval held "
            f"{100 * checked['covered']:.1f} % of them."
        )
    for row in made.get("deferral", []):
        low, high = row["ci95"]
        _console.say(
            f"{100 * row['share']:.0f} % of the pictures to a person: mean Dice of the others "
            f"{row['after']:.4f} instead of {row['before']:.4f}, "
            f"{100 * row['gain']:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})."
        )
