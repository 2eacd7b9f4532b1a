"""A form, answered: what the files say, what is open, what only people know."""

from __future__ import annotations

import csv
import importlib.resources
from dataclasses import dataclass

from segkit.engine.runs import Run
from segkit.report.checklist import facts
from segkit.report.checklist.facts import Fact
from segkit.report.checklist.source import Form


@dataclass(frozen=True)
class Item:
    """A row of a form. `open` is what stays to be said by people; "-" where nothing does."""

    number: str
    section: str
    asked: str
    facts: tuple[str, ...]
    open: str


@dataclass(frozen=True)
class Answer:
    """An item with what the run says to it."""

    item: Item
    found: tuple[Fact, ...]

    @property
    def state(self) -> str:
        """ "answered", "partly" (something stays open) or "question"."""
        if not self.found:
            return "question"
        return "partly" if self.question else "answered"

    @property
    def question(self) -> str:
        """What only people can say; empty where nothing is open."""
        if self.item.open == "-":
            return "" if self.found else f"The run does not say. {self.item.asked}?"
        return self.item.open


def items(form: Form) -> list[Item]:
    """The rows of a form."""
    file = importlib.resources.files(__package__).joinpath("forms", f"{form.value}.csv")
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return [
        Item(row["number"], row["section"], row["asked"], tuple(row["facts"].split()), row["open"])
        for row in rows
    ]


def answer(run: Run, form: Form) -> list[Answer]:
    """Every item of a form, with the facts of the run."""
    known = facts.gather(run)
    rows = items(form)
    if any(key in facts.OF_MASKS for row in rows for key in row.facts):
        known |= facts.of_masks(run)
    return [Answer(row, tuple(known[key] for key in row.facts if key in known)) for row in rows]


def count(answers: list[Answer]) -> dict[str, int]:
    """How many items are answered, partly answered, and open."""
    states = [one.state for one in answers]
    return {state: states.count(state) for state in ("answered", "partly", "question")}
