"""`segkit push`: a network to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console


def command(
    source: Annotated[str, typer.Argument(help="A scored run, or a trained network by its name.")],
    repository: Annotated[str, typer.Argument(help="owner/name on the hub.")],
    licence: Annotated[
        str, typer.Option(help="Licence of the weights, for example CC-BY-4.0 (of a run).")
    ] = "",
    summary: Annotated[str, typer.Option(help="One line on what it outlines (of a run).")] = "",
    task: Annotated[str, typer.Option(help="What it is for, on which pictures (of a run).")] = "",
    fold: Annotated[int, typer.Option(min=0, help="Which fold of the run.")] = 0,
    branch: Annotated[str, typer.Option(help="The branch that is written.")] = "main",
    private: Annotated[
        bool, typer.Option("--private", help="A new repository is private.")
    ] = False,
    message: Annotated[str, typer.Option(help="Message of the commit.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="Write the repository into this folder, upload nothing.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Weights, recipe, card, scores and ONNX graph to the Hugging Face hub; a token is needed.

    `segkit predict hf://owner/name photo.jpg --out masks/` is then enough for anybody.

    Example: segkit push dermoscopy me/skin-lesions
    """
    from segkit.engine.models.push import PushSettings, push

    wishes = PushSettings(to, branch, private, message, licence, summary, task, fold)
    made = push(source, repository, wishes)
    if as_json:
        console.emit_json(made)
    else:
        _show(made)


def _show(made: dict[str, Any]) -> None:
    rows = [[name] for name in made["files"]]
    console.table(["file"], rows, title=f"{made['name']}: {made['bytes'] / 1e6:.2f} MB")
    if "folder" in made:
        console.say(f"written: {made['folder']}")
        return
    console.say(f"commit {made['commit']}: {made['url']}")
    console.note(f"use this very version: segkit predict {made['pinned']} photo.jpg --out masks/")
