"""Where a picture is on both sides: inside a set, across a split, across sets."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from segkit.data.copies import duplicates
from segkit.data.splitting.types import Split
from segkit.data.store import PreparedSet

PARTS = ("train", "val", "test")


def inside(prepared: PreparedSet) -> list[dict[str, Any]]:
    """The twins of a set, with the official parts they lie in."""
    part = {item["id"]: item["part"] for item in prepared.items}
    found = prepared.manifest["duplicates"]
    return [{**twin, "parts": [part[twin["one"]], part[twin["other"]]]} for twin in found]


def in_split(prepared: PreparedSet, split: Split) -> list[dict[str, Any]]:
    """The twins whose members lie in different parts of a fold."""
    torn = []
    for number, fold in enumerate(split.folds):
        where = {name: part for part in PARTS for name in getattr(fold, part)}
        for twin in prepared.manifest["duplicates"]:
            sides = [where.get(twin["one"]), where.get(twin["other"])]
            if None not in sides and sides[0] != sides[1]:
                torn.append({**twin, "fold": number, "parts": sides})
    return torn


def across(sets: list[PreparedSet]) -> list[dict[str, Any]]:
    """For each pair of sets: shared ids, equal bytes, near copies."""
    return [_between(one, other) for one, other in combinations(sets, 2)]


def _between(one: PreparedSet, other: PreparedSet) -> dict[str, Any]:
    shared = sorted(set(one.ids) & set(other.ids))
    twins = [twin.to_json() for twin in duplicates.across(one, other)]
    return {
        "sets": [one.name, other.name],
        "shared_ids": shared,
        "twins": twins,
        "share_of_first": round(len({twin["one"] for twin in twins}) / len(one.ids), 4),
        "share_of_second": round(len({twin["other"] for twin in twins}) / len(other.ids), 4),
    }
