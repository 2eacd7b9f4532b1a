"""`segkit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli import _console, _launching
from segkit.errors import SegkitError, UsageError
from segkit.events import MassDone, PartDone, PartsListed
from segkit.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segkit.engine.predicting.folder import PictureDone, PredictJob
    from segkit.engine.predicting.promises import Promises


PART = 256  # pictures in a part


def command(
    model: Annotated[
        Path, typer.Argument(help="A run folder, or an .onnx file that segkit wrote.")
    ],
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders (to the bottom), globs, addresses.")
    ],
    out: Annotated[str, typer.Option(help="Folder for the results, or an address (s3://…).")],
    probabilities: Annotated[bool, typer.Option(help="Write 16-bit PNG probabilities.")] = False,
    overlays: Annotated[
        bool | None, typer.Option(help="Write pictures with contours (default: not in parts).")
    ] = None,
    also: Annotated[
        str,
        typer.Option(
            help="For annotation tools: geojson, coco, coco-polygons, yolo, labelstudio, cvat."
        ),
    ] = "",
    fold: Annotated[str, typer.Option(help="A fold's number, or 'all': their mean.")] = "all",
    tta: Annotated[str | None, typer.Option(help="none, flips or d4 (default: the run's).")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Foreground above it (default: the run's).")
    ] = None,
    sliding: Annotated[bool, typer.Option(help="Windows at the picture's own resolution.")] = False,
    overlap: Annotated[
        float, typer.Option(help="Share that neighbouring windows have in common.")
    ] = 0.5,
    scale: Annotated[float, typer.Option(help="With --sliding: shrink pictures first.")] = 1.0,
    certificate: Annotated[
        Path | None, typer.Option(help="From segkit certify (default: the one in the run).")
    ] = None,
    margins: Annotated[bool, typer.Option(help="Draw the certified margins.")] = True,
    defer: Annotated[
        float | None, typer.Option(help="Share of doubtful pictures to set aside (0.1: a tenth).")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and that write.")] = 2,
    on: Annotated[str, typer.Option(help="here, or ray: docs/scale.md.")] = "here",
    cluster: _launching.Cluster = None,
    processes: Annotated[int, typer.Option(min=1, help="With --on ray: how many workers.")] = 2,
    part: Annotated[
        int | None, typer.Option(min=1, help="In parts of so many pictures, restartable.")
    ] = None,
    write: Annotated[str, typer.Option(help="files, coco or parquet (both in parts).")] = "files",
    max_memory: Annotated[
        str | None,
        typer.Option(help="Memory for pictures, as 4G (default: a quarter of the machine)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Masks at original size, overlays and areas for pictures of any size.

    Example: segkit predict runs/unet-demo photos/ --out results

    Writes masks/*.png, overlays/*.jpg and predictions.csv. Broken files are named in skipped.csv
    and end the command with exit code 1; all others are written. With a certificate, bands/*.png
    and the overlays show the margins; --defer moves doubtful pictures into deferred/.
    """
    from segkit.data import memory

    memory.choose(max_memory)
    if on != "here" or part or write != "files" or any("://" in s for s in (*sources, str(out))):
        wrong = sliding or certificate is not None or defer is not None or also
        if wrong:
            raise UsageError("--sliding, --certificate, --defer and --also do not go with parts")
        wishes: dict[str, Any] = {"size": part or PART, "write": write, "batch": batch}
        wishes |= {"fold": _fold(fold), "tta": tta, "threshold": _share(threshold)}
        wishes |= {"overlays": bool(overlays), "probabilities": probabilities}
        wishes |= {"device": device, "workers": workers}
        return _in_parts(model, sources, out, wishes, (on, cluster, processes), json)
    from segkit.engine.predicting import formats
    from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job
    from segkit.engine.predicting.predictor import Sliding, load_segmenter, registered

    wanted = formats.check([name.strip() for name in also.split(",") if name.strip()])
    window = Sliding(overlap, scale, batch) if sliding else None
    pictures = find_pictures(sources, skip=Path(out))
    segmenter = load_segmenter(
        model, fold=_fold(fold), device=device, tta=tta, threshold=_share(threshold)
    )
    asked = certificate is not None or defer is not None
    promised = None
    if margins or asked:
        promised = _promises(model, segmenter, certificate, defer, sliding, asked)
    drawn = overlays is not False
    job = PredictJob(Path(out), batch, drawn, probabilities, window, workers, promised, also=wanted)
    with _console.progress("predicting", len(pictures), "pictures") as ticker:
        done = list(_counted(run_job(segmenter, pictures, job), ticker))
    if promised is not None and promised.warning:
        _console.warn(promised.warning)
    return _tell(model, done, job, registered(model, segmenter), json)


def _in_parts(
    model: Path,
    sources: list[str],
    out: str,
    wishes: dict[str, Any],
    where: tuple[str, Path | None, int],
    json: bool,
) -> int:
    """Predict a large number of pictures part by part; finished parts are not repeated."""
    from segkit.engine import register
    from segkit.engine.predicting.mass import run_mass
    from segkit.engine.predicting.parts import MassJob
    from segkit.engine.predicting.storage import is_address

    on, cluster, processes = where
    settings = _ray(cluster) if on == "ray" else None
    if on not in ("here", "ray"):
        raise UsageError(f"predict does not go to '{on}'", "it knows here and ray")
    known = register.is_name(model) or not Path(model).exists()
    job = MassJob(
        str(model) if known else str(Path(model).absolute()),
        out if is_address(out) else str(Path(out).absolute()),
        **wishes,
    )
    facts: dict[str, Any] = {}
    with _console.progress("predicting", unit="pictures") as ticker:
        for event in run_mass(job, sources, settings, processes):
            if isinstance(event, PartsListed):
                ticker.total(event.of)
                ticker.advance(event.done)
            elif isinstance(event, PartDone):
                ticker.advance(event["n"])
            elif isinstance(event, MassDone):
                facts = event.facts
    return _tell_parts(facts, json)


def _ray(cluster: Path | None) -> dict[str, Any]:
    from segkit.engine.launching import watching

    settings, said = watching.cluster("ray", cluster)
    if said:
        _console.note(said)
    return settings


def _tell_parts(last: dict[str, Any], json: bool) -> int:
    if json:
        _console.emit_json(last)
    else:
        now = last["this_time"]
        speed = f", {now['per_second']} a second" if now["per_second"] else ""
        new = f"{now['n']} of them now, in {now['seconds']} s{speed}"
        _console.note(f"{last['n']} pictures predicted into {last['out']} ({new})")
    if not last["skipped"]:
        return 0
    raise SegkitError(
        f"{last['skipped']} pictures could not be read", f"see {last['out']}/skipped.csv"
    )


def _promises(
    model: Path,
    segmenter: Any,
    certificate: Path | None,
    defer: float | None,
    sliding: bool,
    asked: bool,
) -> Promises | None:
    """The certificate to apply; one that does not fit is an error only if it was named."""
    from segkit.engine import certificate as certificates
    from segkit.engine.predicting.promises import Promises

    found = certificates.find(model, certificate)
    if found is None:
        if asked:
            raise UsageError(
                "--defer needs a certificate", f"{model} has none", f"segkit certify {model}"
            )
        return None
    wrong = "pictures are cut into windows" if sliding else found.misfit(segmenter)
    wrong = wrong or certificates.stale(found, model)
    if wrong and asked:
        raise UsageError("the certificate promises nothing here", wrong, "Certify it again.")
    if wrong:
        _console.warn(f"no margins are drawn, the certificate promises nothing here: {wrong}")
        return None
    return Promises(found, defer)


def _counted(results: Iterable[PictureDone], ticker: _console.Ticker) -> Iterable[PictureDone]:
    for done in results:
        ticker.advance()
        yield done


def _tell(
    model: Path, done: list[PictureDone], job: PredictJob, registered: str, json: bool
) -> int:
    rows = [row for one in done for row in one.rows]
    skipped = [one for one in done if one.error]
    for one in skipped:
        _console.warn(f"{one_line(str(one.picture.path))} skipped: {one.error}")
    if json:
        _console.emit_json(
            {
                "model": str(model),
                "out": str(job.out),
                "registered": registered or None,
                "n": len(done) - len(skipped),
                "predictions": rows,
                "skipped": [{"file": str(s.picture.path), "reason": s.error} for s in skipped],
            }
        )
    else:
        _summary(rows, len(done) - len(skipped), job)
        if registered:
            _console.note(registered)
    if not skipped:
        return 0
    raise SegkitError(
        f"{len(skipped)} of {len(done)} pictures could not be read", f"see {job.out}/skipped.csv"
    )


def _summary(rows: list[dict[str, Any]], count: int, job: PredictJob) -> None:
    shown = ["file", "class", "width", "height", "area", "share", "parts", "confidence"]
    _console.table(
        shown,
        [[row[column] for column in shown] for row in rows[:20]],
        caption=f"… {len(rows) - 20} more in predictions.csv" if len(rows) > 20 else "",
        right=shown[2:],
    )
    _console.note(f"{count} pictures predicted into {job.out}")
    aside = [row for row in rows if row.get("deferred")]
    if aside:
        _console.table(
            ["file", "estimated dice", "from", "to", "reasons"],
            [
                [row[key] for key in ("file", "dice_estimate", "dice_low", "dice_high", "reasons")]
                for row in sorted(aside, key=lambda row: row["dice_estimate"])[:20]
            ],
            title=f"{len(aside)} set aside for a person, into {job.out}/deferred",
            right=("estimated dice", "from", "to"),
        )


def _fold(text: str) -> Any:
    if text == "all" or text.isdigit():
        return text if text == "all" else int(text)
    raise UsageError(f"--fold is {text!r}", "give a number or 'all'")


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise UsageError(f"--threshold is {value}", "it must lie between 0 and 1")
    return value
