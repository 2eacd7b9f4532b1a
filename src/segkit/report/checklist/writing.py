"""A checklist as Markdown, LaTeX or plain values; the tables are the report's."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from segkit.report.checklist.answering import Answer, count
from segkit.report.checklist.source import SOURCES, Form
from segkit.report.table import LATEX, Cell, Column, Table, as_latex, as_markdown

COLUMNS = [
    Column("number", "Item", "", numeric=False),
    Column("asked", "Asked", "", numeric=False, width="4cm"),
    Column("state", "State", "", numeric=False),
    Column("answer", "Answer (file)", "", numeric=False, width="7cm"),
]


def as_text(answers: list[Answer], form: Form, run: str, latex: bool = False) -> str:
    """The form, a table a section, and a line that counts."""
    source = SOURCES[form]
    head = f"{source.title}: {run}"
    cited = f"Source: https://doi.org/{source.doi}; wording ours, item numbers {source.numbers}."
    parts = [_heading(head, 1, latex), _plain(cited, latex)]
    for section, rows in groupby(answers, lambda one: one.item.section):
        table = Table(COLUMNS, [_row(one) for one in rows], [])
        written = as_latex(table) if latex else as_markdown(table)
        parts += [_heading(section, 2, latex), written.rstrip()]
    return "\n\n".join([*parts, _plain(count_line(answers), latex)]) + "\n"


def as_values(answers: list[Answer], form: Form, run: str) -> dict[str, Any]:
    """The same for a program."""
    return {
        "form": form.value,
        "title": SOURCES[form].title,
        "doi": SOURCES[form].doi,
        "run": run,
        "items": [_values(one) for one in answers],
        "count": count(answers),
    }


def count_line(answers: list[Answer]) -> str:
    """How far the form is filled in."""
    many = count(answers)
    return (
        f"{len(answers)} items: {many['answered']} answered, {many['partly']} partly, "
        f"{many['question']} questions for people."
    )


def _values(one: Answer) -> dict[str, Any]:
    found = [{"text": fact.text, "file": fact.source} for fact in one.found]
    item = one.item
    said = {"number": item.number, "section": item.section, "asked": item.asked}
    return {**said, "state": one.state, "facts": found, "question": one.question}


def _row(one: Answer) -> list[Cell]:
    said = [f"{fact.text} ({fact.source})" for fact in one.found]
    said += [f"Open: {one.question}"] if one.question else []
    texts = (one.item.number, one.item.asked, one.state, " / ".join(said))
    return [Cell(text.replace("\n", " ")) for text in texts]


def _heading(text: str, level: int, latex: bool) -> str:
    if not latex:
        return f"{'#' * level} {text}"
    return rf"\{'sub' * (level - 1)}section*{{{_plain(text, latex)}}}"


def _plain(text: str, latex: bool) -> str:
    return text.translate(LATEX) if latex else text
