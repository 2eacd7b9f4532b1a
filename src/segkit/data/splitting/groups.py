"""What belongs together: declared groups (patient, tile), duplicate clusters, a table of
one's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from segkit.data import tables
from segkit.data.store import PreparedSet
from segkit.errors import UsageError

KINDS = ("none", "near-duplicates", "tiles", "patient")


def groups_of(prepared: PreparedSet, how: str | None) -> dict[str, str]:
    """The group of each picture that has company; pictures that stand alone are left out."""
    if how == "none":
        return {}
    if how is None:
        return merge(
            [*_declared(prepared), *_twins(prepared, ("bytes", "near", "mirrored", "tile"))]
        )
    if how == "near-duplicates":
        return merge(_twins(prepared, ("bytes", "near", "mirrored")))
    if how == "tiles":
        return merge(_twins(prepared, ("tile",)))
    if how == "patient":
        return merge(_declared(prepared))
    if Path(how).suffix == ".csv":
        return merge(_table(Path(how), set(prepared.ids)))
    raise UsageError(
        f"--group is '{how}'", f"allowed: {', '.join(KINDS)}, or a CSV file with columns id, group"
    )


def clusters(prepared: PreparedSet, groups: Mapping[str, str]) -> list[list[str]]:
    """All sets of pictures that one part should hold: the groups in use and every known copy."""
    known = groups_of(prepared, None)
    return _members(known) + [c for c in _members(groups) if c not in _members(known)]


def merge(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components of links; each is named after its first id."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return {name: root(name) for name in sorted(parent)}


def _members(groups: Mapping[str, str]) -> list[list[str]]:
    together: dict[str, list[str]] = {}
    for name, group in groups.items():
        together.setdefault(group, []).append(name)
    return [sorted(names) for names in together.values() if len(names) > 1]


def _declared(prepared: PreparedSet) -> list[tuple[str, str]]:
    pairs = [(item["group"], item["id"]) for item in prepared.items if item.get("group")]
    return _linked(pairs)


def _linked(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(group, id) pairs as links between each member and the group's first."""
    first: dict[str, str] = {}
    return [(first.setdefault(group, name), name) for group, name in pairs]


def _twins(prepared: PreparedSet, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    found = prepared.manifest.get("duplicates", [])
    return [(twin["one"], twin["other"]) for twin in found if twin["kind"] in kinds]


def _table(path: Path, known: set[str]) -> list[tuple[str, str]]:
    """A CSV with columns id and group; a table about other pictures is a mistake."""
    rows = tables.read_rows(path, ("id", "group"), "group table")
    named = [(row["group"], row["id"]) for row in rows if row["group"] and row["id"] in known]
    if not named:
        example = f"'{rows[0]['id']}', here '{min(known)}'"
        raise UsageError(f"{path} names no picture of the set", f"its ids look like {example}")
    return _linked(named)


def strangers(how: str | None, known: Iterable[str]) -> list[str]:
    """The ids of a table of one's own that the set does not hold."""
    if how is None or Path(how).suffix != ".csv":
        return []
    rows = tables.read_rows(Path(how), ("id", "group"), "group table")
    return sorted({row["id"] for row in rows} - set(known))
