"""Finding plugins: names come from package metadata, one plugin is imported when it is asked for.

Stdlib only, so that listings and configuration errors answer at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from segkit.api import CONTRACTS
from segkit.errors import SegkitError, UsageError, unknown


@dataclass(frozen=True)
class Found:
    """What the metadata says of a plugin, before anything of it is imported."""

    group: str
    name: str
    entry: EntryPoint
    distribution: str


@dataclass(frozen=True)
class Status:
    """Whether a plugin could be loaded, and if not, why."""

    group: str
    name: str
    distribution: str
    status: str  # "ok" | "unavailable"
    reason: str
    value: Any = None


@cache
def discover(group: str) -> Mapping[str, tuple[Found, ...]]:
    """All plugins of a group by name; a name that two distributions claim has two entries."""
    _check_group(group)
    found: dict[str, list[Found]] = {}
    for entry in entry_points(group=f"segkit.{group}"):
        owner = entry.dist.name if entry.dist else "?"
        item = Found(group, entry.name, entry, owner)
        same = found.setdefault(entry.name, [])
        if not any(_is_same(item, other) for other in same):
            same.append(item)
    return {name: tuple(found[name]) for name in sorted(found)}


def _is_same(one: Found, other: Found) -> bool:
    """Metadata seen twice (an editable install beside a wheel) is no conflict."""
    return one.distribution == other.distribution and one.entry.value == other.entry.value


def names(group: str) -> list[str]:
    """The sorted names of a group."""
    return list(discover(group))


def get(group: str, name: str) -> Any:
    """Load one plugin, or raise an error that says what to do."""
    claims = discover(group).get(name)
    if not claims:
        raise unknown(_singular(group), name, names(group))
    if len(claims) > 1:
        owners = " and ".join(sorted({claim.distribution for claim in claims}))
        raise UsageError(
            f"{_singular(group)} '{name}' is defined twice",
            f"by {owners}",
            "Uninstall one of them.",
        )
    return _load(claims[0])


def statuses(group: str) -> Iterator[Status]:
    """Load every plugin of a group; one that fails is reported and breaks nothing else."""
    for name, claims in discover(group).items():
        owners = ", ".join(sorted({claim.distribution for claim in claims}))
        try:
            value = get(group, name)
        except SegkitError as error:
            yield Status(group, name, owners, "unavailable", error.why or error.what)
        else:
            yield Status(group, name, owners, "ok", "", value)


@cache
def _load(found: Found) -> Any:
    label = f"{_singular(found.group)} '{found.name}'"
    try:
        value: Any = found.entry.load()
    except Exception as error:  # a stranger's code may fail in any way; it must not break the rest
        raise SegkitError(
            f"{label} cannot be loaded",
            f"{type(error).__name__}: {error}",
            f"It comes from the distribution '{found.distribution}'.",
        ) from error
    expected: Any = CONTRACTS[found.group]
    if not isinstance(value, expected):
        raise SegkitError(
            f"{label} is not a segkit.api.{expected.__name__}",
            f"{found.entry.value} is a {type(value).__name__}",
        )
    if value.name != found.name:
        raise SegkitError(
            f"{label} names itself '{value.name}'", "entry point and value must agree"
        )
    return value


def _check_group(group: str) -> None:
    if group not in CONTRACTS:
        raise unknown("plugin group", group, CONTRACTS)


def _singular(group: str) -> str:
    return "loss" if group == "losses" else group.removesuffix("s")
