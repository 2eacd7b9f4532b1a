"""Where the pictures of a run are: the prepared set that it was trained on, less its padding."""

from __future__ import annotations

from pathlib import Path

from segkit.data.geometry import geometry
from segkit.data.preparing.prepare import folder, parse_variant
from segkit.data.store import MANIFEST, PreparedSet, open_prepared
from segkit.engine.runs import Run
from segkit.errors import SegkitError


def inside(prepared: PreparedSet, place: int) -> tuple[slice, slice]:
    """The rows and columns of a prepared picture that are no padding (letterbox)."""
    item = prepared.items[place]
    original = (int(item["height"]), int(item["width"]))
    high, wide = geometry(original, prepared.size, prepared.resize).content
    return slice(0, high), slice(0, wide)


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
