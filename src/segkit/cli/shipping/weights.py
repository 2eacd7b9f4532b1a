"""`segkit weights`: original checkpoints in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli import _console as console

app = typer.Typer(no_args_is_help=True, help="Original checkpoints in and out.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command("import")
def import_(
    architecture: Annotated[str, typer.Argument(help="The network that the file belongs to.")],
    file: Annotated[Path, typer.Argument(help="A .pt, .pth or .safetensors file.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    layout: Annotated[
        str | None, typer.Option(help="original, segkit, …; default: by the file's names.")
    ] = None,
    take: Annotated[
        str | None, typer.Option(help="The set of weights, where the file holds several: ema, ….")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The dataset it was trained on: sets the preprocessing.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe of the network, or a file; default: the paper's.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: section.key=value.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn an original checkpoint into a segkit run, strictly and with a report.

    Wrappers (state_dict, model, ema, …), prefixes (module., _orig_mod., …), a profiler's counters
    and half precision are taken off and named. Nothing in the file is executed.

    A file of one part (an encoder) becomes a file to start training from:
    segkit train qtseg --set train.init=OUT/encoder.safetensors

    Example: segkit weights import qtseg weight_best_dice.pt --data isic2016 --out runs/qtseg-paper
    """
    from segkit.engine import weights

    done = weights.import_weights(
        architecture,
        file,
        out,
        layout=layout,
        take=take,
        recipe=recipe,
        data=data,
        assignments=tuple(set_ or ()),
    )
    if as_json:
        console.emit_json(
            {
                "path": str(done.path),
                "layout": done.report.layout,
                "tensors": done.report.fitting,
                "ignored": done.report.ignored,
                "said": list(done.report.said),
                "untold": list(done.report.untold),
                "part": done.part,
                "sha256": done.sha256,
            }
        )
        return
    for line in done.report.lines():
        console.note(line)
    console.note(f"sha256 {done.sha256}")
    console.say(f"wrote {done.path}")
    if done.part:
        settings = {"train.init": done.path}
        settings |= {f"model.{key}": value for key, value in done.settings.items()}
        words = " ".join(f"--set {key}={value}" for key, value in settings.items())
        console.note(f"start from it: segkit train {architecture} {words}")


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option(help="The file to write: .pth or .safetensors.")],
    layout: Annotated[str, typer.Option(help="original, segkit (our names), …")] = "original",
    fold: Annotated[int, typer.Option(min=0, help="Which fold's best weights.")] = 0,
) -> None:
    """Write a run's weights under the names of the original program.

    Example: segkit weights export runs/qtseg-busi --layout original --out qtseg-busi.pth
    """
    from segkit.engine import weights

    console.say(f"wrote {weights.export_weights(run, out, layout, fold)}")
