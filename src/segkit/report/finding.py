"""Where the pictures of a run are: the prepared set that it was trained on, less its padding."""

from __future__ import annotations

from segkit.data.geometry import geometry
from segkit.data.store import PreparedSet
from segkit.engine.evaluating.seen import find_prepared


def inside(prepared: PreparedSet, place: int) -> tuple[slice, slice]:
    """The rows and columns of a prepared picture that are no padding (letterbox)."""
    item = prepared.items[place]
    original = (int(item["height"]), int(item["width"]))
    high, wide = geometry(original, prepared.size, prepared.resize).content
    return slice(0, high), slice(0, wide)


__all__ = ["find_prepared", "inside"]
