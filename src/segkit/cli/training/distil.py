"""`segkit distil`: `segkit train` with a teacher; every other option is train's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from segkit.cli.training import train

PANEL = "Teacher"

Teacher = Annotated[
    str, typer.Argument(help="What teaches: a run, a trained network's name or an ONNX file.")
]
To = Annotated[
    str, typer.Option(help="The network that learns: see segkit zoo.", rich_help_panel=PANEL)
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="Softens both answers; higher shows more of the teacher's doubt. Default 2.",
        rich_help_panel=PANEL,
    ),
]
Weight = Annotated[
    float | None,
    typer.Option(
        help="The teacher's share of the loss; the masks have the rest. Default 0.5.",
        rich_help_panel=PANEL,
    ),
]


def _with_train_options(command: Callable[..., None]) -> Callable[..., None]:
    """Show Typer the parameters of `segkit train` behind our own, so that they cannot drift."""
    _, *rest = inspect.signature(train.command, eval_str=True).parameters.values()
    word = inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter("teacher", word, annotation=Teacher),
        inspect.Parameter("to", word, annotation=To),
        inspect.Parameter("temperature", word, annotation=Temperature, default=None),
        inspect.Parameter("weight", word, annotation=Weight, default=None),
    ]
    theirs = [parameter.replace(kind=word) for parameter in rest]
    command.__signature__ = inspect.Signature([*own, *theirs])  # type: ignore[attr-defined]
    return command


@_with_train_options
def command(
    teacher: str,
    to: str,
    temperature: float | None = None,
    weight: float | None = None,
    **options: Any,
) -> None:
    """Train a small network on the soft answers of a large one, and on the masks.

    Data, split and recipe are the teacher's unless you say otherwise: so the pictures that test the
    pupil are those that its teacher has never seen. A teacher that has seen them is refused.

    Example: segkit distil dermoscopy --to egeunet --epochs 100
    """
    from segkit.engine.teaching.teacher import find

    found = find(teacher)
    if options["recipe"] is None and found.recipe_file is not None:
        options["usual"] = str(found.recipe_file)
    distil = {"teacher": teacher, "temperature": temperature, "weight": weight}
    train.start(to, options, distil)
