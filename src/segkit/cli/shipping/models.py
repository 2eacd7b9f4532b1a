"""`segkit models`: trained networks in the box, and how one's own becomes one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit import plugins
from segkit.cli import _console as console

app = typer.Typer(
    no_args_is_help=True,
    help="Trained networks in the box: list, card, pack.",
)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The trained networks that are installed, with their test scores.

    Example: segkit models list
    """
    rows = [_row(status) for status in plugins.statuses("models")]
    if as_json:
        console.emit_json(rows)
        return
    heads = ("name", "network", "params", "trained on", "dice per image", "95 % interval", "status")
    console.table(heads, [_cells(row) for row in rows], right=("params",))
    console.note("use one: segkit predict NAME photo.jpg --out masks/")


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A trained network: segkit models list.")],
    as_json: Json = False,
) -> None:
    """The card of a trained network: use, data, scores by kind of picture, limits.

    Example: segkit models info dermoscopy
    """
    from segkit.engine import register

    folder, facts = register.described(name)
    if as_json:
        console.emit_json(facts | {"path": str(folder)})
        return
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else facts["summary"]
    console.markdown(text.split("\n---\n", 1)[-1].strip())
    console.note(f"files: {folder}")


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(help="A finished and scored run.")],
    name: Annotated[str, typer.Option(help="What it is called by.")],
    out: Annotated[Path, typer.Option(help="The folder to write, inside your package.")],
    summary: Annotated[str, typer.Option(help="One line on what it outlines.")] = "",
    task: Annotated[str, typer.Option(help="What it is for, and on which pictures.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for example CC0-1.0.")] = "",
    limit: Annotated[
        list[str] | None, typer.Option(help="What the network cannot do (repeatable).")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Numbers of the graph: float32, fp16, int8.")
    ] = "float32",
    fold: Annotated[int, typer.Option(min=0, help="Which fold of the run.")] = 0,
    example: Annotated[Path | None, typer.Option(help="A picture to try it on.")] = None,
) -> None:
    """Turn a run into a trained network that your distribution can bring.

    Example: segkit models pack runs/unet-mine --name my_lesions --out src/my_package/my_lesions

    Then `MODEL = TrainedModel.described("my_package", "my_lesions")`, and one line under
    [project.entry-points."segkit.models"] names it.
    """
    from segkit.engine.models.pack import PackSettings
    from segkit.engine.models.pack import pack as write

    limits = tuple(limit or ())
    settings = PackSettings(name, summary, task, licence, "", limits, precision, fold, example)
    facts = write(run, out, settings)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    console.note(f"{name}: {len(facts['files'])} files, {size / 1e6:.2f} MB in {out}")


def _row(status: plugins.Status) -> dict[str, Any]:
    row: dict[str, Any] = {"name": status.name, "status": status.status, "reason": status.reason}
    row["distribution"] = status.distribution
    if status.value is not None:
        facts = dataclasses.asdict(status.value)
        row |= {key: facts[key] for key in ("summary", "architecture", "params", "data", "scores")}
        row |= {key: facts[key] for key in ("licence", "split", "pictures", "date", "minutes")}
    return row


def _cells(row: dict[str, Any]) -> list[str]:
    if row["status"] != "ok":
        return [row["name"], "", "", "", "", "", row["reason"]]
    dice = row["scores"].get("dice_image", {})
    low, high = dice.get("ci95") or (None, None)
    interval = f"{low:.4f} to {high:.4f}" if low is not None else ""
    mean = f"{dice['mean']:.4f}" if dice else ""
    return [
        row["name"],
        row["architecture"],
        f"{row['params']:,}",
        row["data"],
        mean,
        interval,
        "ok",
    ]
