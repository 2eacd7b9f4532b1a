"""Where the pictures of a run are: the prepared set that it was trained on."""

from __future__ import annotations

from pathlib import Path

from segkit.data.prepare import folder, parse_variant
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
