"""`segkit checklist`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli import _console
from segkit.report.checklist.source import Form


class Layout(StrEnum):
    """What is written."""

    md = "md"
    latex = "latex"
    json = "json"


def command(
    run: Annotated[str, typer.Argument(help="A run folder, or a trained network by its name.")],
    form: Annotated[Form, typer.Option(help="Which checklist.")] = Form.claim2024,
    format_: Annotated[Layout, typer.Option("--format", help="What is written.")] = Layout.md,
    out: Annotated[Path | None, typer.Option(help="A file instead of the terminal.")] = None,
) -> None:
    """A journal's checklist, answered from a run; what only people know stays a question.

    Example: segkit checklist runs/unet-isic2017 --form claim2024 --out claim.md
    """
    from segkit import paths, words
    from segkit.engine.runs import open_run
    from segkit.report.checklist import answering, writing

    opened = open_run(run)
    answers = answering.answer(opened, form)
    if format_ is Layout.json:
        values = writing.as_values(answers, form, opened.name)
        text = words.json_text(_console.finite(values), indent=2) + "\n"
    else:
        text = writing.as_text(answers, form, opened.name, latex=format_ is Layout.latex)
    if out is not None:
        _console.say(str(paths.write_text(out, text)))
        _console.note(writing.count_line(answers))
    elif format_ is Layout.md:
        _console.markdown(text)
    else:
        typer.echo(text, nl=False)
