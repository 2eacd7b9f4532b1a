"""`segkit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli import _console
from segkit.errors import SegkitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segkit.engine.predicting.folder import Done, PredictJob


def command(
    model: Annotated[
        Path, typer.Argument(help="A run folder, or an .onnx file that segkit wrote.")
    ],
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders (searched to the bottom), globs.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    probabilities: Annotated[bool, typer.Option(help="Write 16-bit PNG probabilities.")] = False,
    overlays: Annotated[bool, typer.Option(help="Write pictures with contours.")] = True,
    fold: Annotated[str, typer.Option(help="A fold's number, or 'all': their mean.")] = "all",
    tta: Annotated[str | None, typer.Option(help="none, flips or d4 (default: the run's).")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Foreground above it (default: the run's).")
    ] = None,
    sliding: Annotated[bool, typer.Option(help="Windows at the picture's own resolution.")] = False,
    overlap: Annotated[float, typer.Option(help="Of neighbouring windows, as a share.")] = 0.5,
    scale: Annotated[float, typer.Option(help="With --sliding: shrink pictures first.")] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and that write.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Masks at original size, overlays and areas for pictures of any size.

    Example: segkit predict runs/unet-demo photos/ --out results

    Writes masks/*.png, overlays/*.jpg and predictions.csv. Broken files are named in skipped.csv
    and end the command with exit code 1; all others are written.
    """
    from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job
    from segkit.engine.predicting.predictor import Sliding, load_segmenter

    window = Sliding(overlap, scale, batch) if sliding else None
    job = PredictJob(out, batch, overlays, probabilities, window, workers)
    pictures = find_pictures(sources, skip=out)
    segmenter = load_segmenter(
        model, fold=_fold(fold), device=device, tta=tta, threshold=_share(threshold)
    )
    with _console.progress("predicting", len(pictures), "pictures") as ticker:
        done = list(_counted(run_job(segmenter, pictures, job), ticker))
    return _tell(model, done, job, json)


def _counted(results: Iterable[Done], ticker: _console.Ticker) -> Iterable[Done]:
    for done in results:
        ticker.advance()
        yield done


def _tell(model: Path, done: list[Done], job: PredictJob, json: bool) -> int:
    rows = [row for one in done for row in one.rows]
    skipped = [one for one in done if one.error]
    for one in skipped:
        _console.warn(f"{one.picture.path} skipped: {one.error}")
    if json:
        _console.emit_json(
            {
                "model": str(model),
                "out": str(job.out),
                "n": len(done) - len(skipped),
                "predictions": rows,
                "skipped": [{"file": str(s.picture.path), "reason": s.error} for s in skipped],
            }
        )
    else:
        _summary(rows, len(done) - len(skipped), job)
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


def _fold(text: str) -> Any:
    if text == "all" or text.isdigit():
        return text if text == "all" else int(text)
    raise UsageError(f"--fold is {text!r}", "give a number or 'all'")


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise UsageError(f"--threshold is {value}", "it must lie between 0 and 1")
    return value
