"""Reproduction cards: a published row, and how to run it again. Read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segkit import build, plugins
from segkit.errors import SegkitError, UsageError, unknown
from segkit.recipe import fill


@dataclass(frozen=True)
class ReproductionCard:
    """One row of a published table."""

    name: str
    paper: str
    row: str
    dataset: str
    protocol: str
    recipe: str
    tolerance_points: float = 1.0
    evaluate: str = ""  # another dataset on which the trained network is scored, untouched
    notes: tuple[str, ...] = ()  # what differs from the published run, as far as it is known


@dataclass(frozen=True)
class Printed:
    """What was printed: figures in points, and how they were aggregated and selected."""

    figures: dict[str, float] = field(default_factory=dict)
    aggregation: str = ""
    scoring: str = ""
    selection: str = ""


def locations() -> dict[str, tuple[str, str]]:
    """ReproductionCard name to (architecture, "package:file.toml"), over all architectures."""
    found: dict[str, tuple[str, str]] = {}
    for status in plugins.statuses("architectures"):
        if status.status == "ok":
            found |= {card: (status.name, at) for card, at in status.value.cards.items()}
    return dict(sorted(found.items()))


def read(name: str) -> tuple[str, ReproductionCard, Printed]:
    """The architecture, the card and the printed figures."""
    known = locations()
    if name not in known:
        raise unknown("card", name, known)
    architecture, at = known[name]
    settings = build.read_resource(at)
    try:
        card: ReproductionCard = fill(ReproductionCard, settings["card"], path="card")
        return architecture, card, _printed(settings["published"])
    except (KeyError, UsageError) as error:
        raise SegkitError(f"card {name} is not valid", str(error), f"It is {at}.") from error


def _printed(section: Mapping[str, Any]) -> Printed:
    words = {key: str(section.get(key, "")) for key in ("aggregation", "scoring", "selection")}
    figures = {key: float(value) for key, value in section.items() if key not in words}
    return Printed(figures, **words)


def listing() -> list[dict[str, Any]]:
    """A row per card, for `segkit reproduce --list`."""
    rows = []
    for name in locations():
        architecture, card, printed = read(name)
        rows.append(
            {
                "name": name,
                "status": "ok",
                "reason": "",
                "architecture": architecture,
                "dataset": card.dataset,
                "evaluate": card.evaluate or card.dataset,
                "protocol": card.protocol,
                "recipe": card.recipe,
                "row": card.row,
                "paper": card.paper,
                "published": printed.figures,
                "aggregation": printed.aggregation,
                "selection": printed.selection,
                "command": f"segkit reproduce {name}",
            }
        )
    return rows
