"""Pictures of another set that the run was trained on: the search is that of `data leaks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.data.copies import duplicates
from segkit.data.preparing.prepare import folder, parse_variant
from segkit.data.store import MANIFEST, PreparedSet, open_prepared
from segkit.engine.runs import Run
from segkit.errors import SegkitError


def find_prepared(run: Run) -> PreparedSet | None:
    """The prepared set of a run, or None if it is not on this machine any more."""
    data = run.recipe.data
    name = str(run.card.get("name") or data.name)
    variant, options = parse_variant(data.variant)
    places = [folder(name, data.size, data.resize, variant, options)]
    if run.card.get("root"):
        places.insert(0, Path(run.card["root"]))
    for place in places:
        if (place / MANIFEST).is_file():
            try:
                return open_prepared(place)
            except SegkitError:
                continue  # made by another version: as good as not there
    return None


def warning(run: Run, other: PreparedSet, scored: Sequence[str]) -> str:
    """What a reader must know of the scored pictures that training knew; empty: nothing."""
    own = find_prepared(run)
    if own is None:
        name = run.card["name"]
        return (
            f"copies of training pictures in {other.name} were not looked for: {name} is not "
            f"prepared here (segkit data prepare {name})"
        )
    twins = _twins(run, own, other, scored)
    if not twins:
        return ""
    seen = sorted({twin.other for twin in twins})
    named = ", ".join(seen[:3]) + (", …" if len(seen) > 3 else "")
    verb = "shows" if len(seen) == 1 else "show"
    return (
        f"{len(seen)} of the {len(scored)} scored pictures of {other.name} {verb} what pictures "
        f"of the run's training and validation parts show: {named} "
        f"(all: segkit data leaks {own.name} {other.name})"
    )


def _twins(
    run: Run, own: PreparedSet, other: PreparedSet, scored: Sequence[str]
) -> list[duplicates.Copy]:
    trained = {name for fold in run.split.folds for name in (*fold.train, *fold.val)}
    asked = set(scored)
    found = duplicates.across(own, other)
    return [twin for twin in found if twin.one in trained and twin.other in asked]
