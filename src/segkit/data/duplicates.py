"""Copies inside and across sets: the same bytes, re-encoded pictures, flipped or turned ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from segkit.data.store import PreparedSet


@dataclass(frozen=True)
class Twin:
    """Two pictures that are one; `distance` is the root mean square grey difference of the
    thumbnails.
    """

    one: str
    other: str
    kind: str  # "bytes" | "near" | "mirrored" | "tile"
    distance: float

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def find(prepared: PreparedSet) -> list[Twin]:
    """All twins inside a set."""
    return []
