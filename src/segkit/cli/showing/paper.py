"""`segkit paper`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli import _console
from segkit.report.checklist.source import Form


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    out: Annotated[Path, typer.Option(help="The folder that is written.")],
    form: Annotated[Form, typer.Option(help="Which checklist.")] = Form.claim2024,
    cost: Annotated[bool, typer.Option(help="Count parameters and FLOPs.")] = True,
) -> None:
    """Tables, figures, checklists, audit, commands and bibliography of runs, in one folder.

    Example: segkit paper runs/unet-isic2017 runs/qtseg-isic2017 --out paper
    """
    from segkit.report.paper import write_paper
    from segkit.report.reading import expand

    with _console.progress("paper", None):
        file = write_paper(expand(runs), out, form, cost)
    _console.say(str(file))
