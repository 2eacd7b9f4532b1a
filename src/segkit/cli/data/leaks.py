"""`segkit data leaks`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.cli.data.preparing import (
    Folds,
    Json,
    Protocol,
    Seed,
    Size,
    SplitFile,
    SplitText,
    prepared_set,
)
from segkit.errors import SegkitError, UsageError


def register(app: typer.Typer) -> None:
    """Add the command to `segkit data`."""
    app.command()(leaks)


def leaks(
    names: Annotated[list[str], typer.Argument(help="One or several datasets.")],
    size: Size = None,
    split: SplitText = None,
    folds: Folds = None,
    protocol: Protocol = None,
    seed: Seed = 0,
    split_file: SplitFile = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if anything is found.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copies inside a set, across the parts of a split, and across sets.

    Example: segkit data leaks isic2017 isic2018 ph2
    """
    from segkit.data.copies import leaks as finding
    from segkit.data.splitting.splits import make_split

    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"{twice[0]} is named twice", "a set is searched for copies in itself once"
        )
    sets = [prepared_set(name, size, None, "original", {}, protocol) for name in names]
    found: dict[str, Any] = {"sets": [], "across": finding.across(sets)}
    for prepared in sets:
        entry = {"name": prepared.name, "n": len(prepared), "twins": finding.inside(prepared)}
        if any(value is not None for value in (split, folds, protocol, split_file)):
            made = make_split(
                prepared,
                split=split,
                folds=folds,
                protocol=protocol,
                seed=seed,
                split_file=split_file,
            )
            entry |= {"rule": made.rule, "torn": finding.in_split(prepared, made)}
        found["sets"].append(entry)
    if as_json:
        console.emit_json(found)
    else:
        _print_leaks(found)
    if strict and _any_leak(found):
        raise SegkitError(
            "leaks were found", None, "Split with the groups kept together, or drop the copies."
        )


def _any_leak(found: dict[str, Any]) -> bool:
    inside = any(entry.get("torn", entry["twins"]) for entry in found["sets"])
    return inside or any(pair["twins"] for pair in found["across"])


def _print_leaks(found: dict[str, Any]) -> None:
    for entry in found["sets"]:
        kinds = sorted({twin["kind"] for twin in entry["twins"]})
        counts = ", ".join(f"{sum(t['kind'] == k for t in entry['twins'])} {k}" for k in kinds)
        console.say(f"{entry['name']}: {entry['n']} pictures; {counts or 'no copies'}")
        _print_twins([twin for twin in entry["twins"] if twin["kind"] != "tile"])
        if "torn" in entry:
            console.say(f"  across the parts of {entry['rule']}: {len(entry['torn'])} pairs")
            _print_twins(entry["torn"])
    for pair in found["across"]:
        one, other = pair["sets"]
        console.say(
            f"{one} and {other}: {len(pair['twins'])} pictures in both "
            f"({pair['share_of_first']:.1%} of {one}, {pair['share_of_second']:.1%} of {other}), "
            f"{len(pair['shared_ids'])} equal ids"
        )
        _print_twins(pair["twins"])


def _print_twins(twins: list[dict[str, Any]]) -> None:
    for twin in twins[:40]:
        parts = f"  {twin['parts'][0]}/{twin['parts'][1]}" if "parts" in twin else ""
        fold = f"  fold {twin['fold']}" if "fold" in twin else ""
        console.say(
            f"    {twin['one']}  {twin['other']}  {twin['kind']} {twin['score']}{parts}{fold}"
        )
    if len(twins) > 40:
        console.say(f"    … and {len(twins) - 40} more (--json has all)")
