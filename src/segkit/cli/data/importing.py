"""`segkit data import`: any folder becomes a dataset, after a preview."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.errors import SegkitError, UsageError

SHOWN = 8


def register(app: typer.Typer) -> None:
    """Add the command to `segkit data`."""
    app.command("import")(import_)


def import_(
    name: Annotated[str, typer.Argument(help="A name of your own.")],
    images: Annotated[
        str | None, typer.Option(help="Pictures: a glob in quotes, or a folder.")
    ] = None,
    masks: Annotated[str | None, typer.Option(help="Masks: a glob in quotes, or a folder.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Columns image, mask (id, part, group, class).")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="train-val-folders, coco, labelme, geojson, yolo, labelstudio, cvat; with --from."
        ),
    ] = "",
    from_: Annotated[
        Path | None, typer.Option("--from", help="The folder or file of --layout.")
    ] = None,
    decode: Annotated[
        str,
        typer.Option(help="union (binary), classes, classes_void (255 is background), half_max."),
    ] = "union",
    classes: Annotated[
        str, typer.Option(help="Names of class indices 0, 1, …, with --decode classes.")
    ] = "",
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the files instead of pointing to them.")
    ] = False,
    title: Annotated[str, typer.Option(help="How reports call it.")] = "",
    licence: Annotated[str, typer.Option(help="What may be done with it.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the pairs, write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Any folder of pictures and masks becomes a dataset; what was paired is shown first.

    Example: segkit data import ward3 --images 'scans/*.jpg' --masks 'scans/*_mask.png'
    """
    from segkit.data.imports import matching, writing

    matching.check_name(name)
    proposal = _proposal(name, images, masks, csv, layout, from_, decode)
    proposal = _with_classes(proposal, classes, layout)
    if not as_json:
        _preview(proposal)
    if not proposal.complete:
        raise SegkitError(
            "no picture has a mask", "nothing was written", "Check the patterns, or use --csv."
        )
    written = not dry_run and _confirmed(yes or as_json)
    if written:
        writing.write(proposal, copy, title, licence)
        console.note(f"next: segkit data check {name}")
    if as_json:
        console.emit_json(_as_json(proposal, written))


def _with_classes(proposal: Any, names: str, layout: str) -> Any:
    from segkit.data.imports.classes import with_classes
    from segkit.data.imports.matching import ANNOTATIONS

    listed = [text.strip() for text in names.split(",") if text.strip()]
    if layout in ANNOTATIONS:
        if listed:
            raise UsageError("--classes has no meaning here", f"{layout} files name their classes")
        return proposal
    return with_classes(proposal, listed)


def _proposal(
    name: str,
    images: str | None,
    masks: str | None,
    table: Path | None,
    layout: str,
    place: Path | None,
    decode: str,
) -> Any:
    from segkit.data.images import RULES as rules
    from segkit.data.imports import matching

    if decode not in rules:
        raise UsageError(f"--decode is '{decode}'", f"allowed: {', '.join(rules)}")
    if table is not None:
        return matching.from_csv(name, table, decode)
    if not layout:
        if images is None or masks is None:
            raise UsageError(
                "--images and --masks are needed", None, "Or --csv, or --layout with --from."
            )
        return matching.from_globs(name, images, masks, decode)
    if place is None or not place.exists():
        raise UsageError(
            f"--layout {layout} needs --from", f"{place} does not exist" if place else None
        )
    if layout == "train-val-folders":
        return matching.from_parts(name, place, decode)
    if layout in matching.ANNOTATIONS:
        return _annotated(name, layout, place, Path(images) if images else None)
    raise UsageError(f"--layout is '{layout}'", f"allowed: {', '.join(matching.LAYOUTS[2:])}")


def _annotated(name: str, layout: str, place: Path, images: Path | None) -> Any:
    from segkit.data.imports import annotations, geojson, tasks, yolo

    if images is not None and not images.is_dir():
        raise UsageError(f"--images {images} is no folder", f"--layout {layout} looks in one")
    readers: dict[str, Any] = {
        "coco": annotations.from_coco,
        "geojson": geojson.from_geojson,
        "yolo": yolo.from_yolo,
        "labelstudio": tasks.from_label_studio,
        "cvat": tasks.from_cvat,
    }
    if layout == "labelme":
        return annotations.from_labelme(name, place)
    return readers[layout](name, place, images)


def _preview(proposal: Any) -> None:
    """First and last pairs, then everything that stands alone."""
    pairs = proposal.complete
    shown = pairs if len(pairs) <= SHOWN else [*pairs[: SHOWN - 2], *pairs[-2:]]
    rows = [
        (
            p.id,
            p.part,
            Path(p.image).name,
            ", ".join(Path(m).name for m in p.masks),
        )
        for p in shown
    ]
    if len(proposal.classes) > 2:
        console.note("classes: " + ", ".join(f"{k} {n}" for k, n in enumerate(proposal.classes)))
    several = sum(len(pair.masks) > 1 for pair in pairs)
    more = f", {several} with several masks" if several else ""
    console.table(
        ("id", "part", "picture", "masks"), rows, f"{len(pairs)} pairs{more}; some of them:"
    )
    for pair in proposal.single[:20]:
        console.warn(
            f"{pair.id}: " + ("no mask" if pair.image else f"no picture for {pair.masks[0]}")
        )
    if len(proposal.single) > 20:
        console.warn(f"… and {len(proposal.single) - 20} more without a partner")
    for note in proposal.notes:
        console.note(note)


def _confirmed(yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "not confirmed", "nothing was written", "Add --yes if the pairs are right."
        )
    return typer.confirm("Write this dataset?", err=True)


def _as_json(proposal: Any, written: bool) -> dict[str, Any]:
    return {
        "name": proposal.name,
        "written": written,
        "pairs": len(proposal.complete),
        "classes": list(proposal.classes),
        "without_partner": [pair.id for pair in proposal.single],
        "notes": list(proposal.notes),
    }
