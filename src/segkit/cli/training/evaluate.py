"""`segkit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console
from segkit.cli._training import show_classes
from segkit.data.sources import dataset
from segkit.errors import UsageError
from segkit.metrics.definitions import TOOLS
from segkit.metrics.table import shown, unit


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, or the name of a trained network.")],
    data: Annotated[
        str | None, typer.Option(help="Another dataset (zero-shot), or several: a,b,c.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="test, val or train (default: test; another dataset: all of it)."),
    ] = None,
    at: Annotated[str, typer.Option(help="prepared or original: the grid of the scores.")] = (
        "prepared"
    ),
    tta: Annotated[
        bool, typer.Option("--tta", help="Also with test-time augmentation, as a row of its own.")
    ] = False,
    tta_mode: Annotated[
        str | None, typer.Option(help="What --tta does: flips (default) or d4.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Also the mean of all folds, as a row of its own.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(help="all, or one published way of scoring (qtseg, vmpanet, …)."),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Threshold and cleaning, chosen on the validation part."),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Costly extras: cldice,objects,components,betti,ranking,skin_tone "
            "(default: by modality)."
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="NSD: pixels that count as right.")] = 2.0,
    spacing: Annotated[
        str | None, typer.Option(help="Millimetres per original pixel, 0.1 or ROWS,COLUMNS.")
    ] = None,
    interval: Annotated[str, typer.Option(help="bca or percentile.")] = "bca",
    engine: Annotated[
        str, typer.Option(help="Surface distances: auto, native, python, device, medpy.")
    ] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    words: Annotated[
        str, typer.Option(help="plain, or claim: the words of CLAIM 2024 for a paper.")
    ] = "plain",
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for a copy of the run with its scores (default: the run)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Figures as one JSON document.")] = False,
) -> int:
    """Score a run: every metric with its interval; `cases.csv` and `summary.json` go into the run.

    Example: segkit evaluate runs/unet-demo --protocol all

    A trained network is left as it is: with --out, a copy of it gets the scores and is then a run
    like any other.
    """
    from segkit.engine.evaluating.evaluate import evaluate_run
    from segkit.engine.evaluating.owned import own_copy
    from segkit.engine.runs import open_run
    from segkit.report.wording import check as check_words

    check_words(words)
    opened = open_run(run)
    if out is not None:
        opened = own_copy(opened, out)
    more: dict[str, Any] = {
        "split": split or "test",
        "at": at,
        "tta": tta_mode or ("flips" if tta else "none"),
        "protocol": protocol,
        "device": device,
        "ensemble": ensemble,
        "tune": tune,
        "tolerance": tolerance,
        "spacing": _spacing(spacing),
        "interval": interval,
        "engine": engine,
        "batch": batch,
        "extras": None if metrics is None else tuple(filter(None, metrics.split(","))),
    }
    names = _datasets(data)
    documents = []
    for name in names:
        with _console.progress(f"scoring {opened.name}", unit="pictures") as ticker:
            documents.append(evaluate_run(opened, data=name, progress=ticker, **more))
    if json:
        _console.emit_json(documents[0] if len(documents) == 1 else documents)
        return 0
    with _console.words(words):
        if len(documents) == 1:
            _show(documents[0])
        else:
            _show_matrix(opened.name, documents)
    return 0


def _spacing(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        steps = [float(part) for part in text.split(",")]
    except ValueError:
        steps = []
    if len(steps) not in (1, 2):
        raise UsageError(f"--spacing is '{text}'", "millimetres: one number, or rows,columns")
    return steps[0], steps[-1]


def _datasets(text: str | None) -> list[str | None]:
    """The sets of `--data a,b`; all must be known before the first is scored."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        dataset(name)
    return [*names] or [None]


def _show(made: dict[str, Any]) -> None:
    several = made["trainings"]
    heads = ["metric", "mean", "95 % interval", "sd over cases", "sd over folds"]
    heads += [f"95 %, other {several['unit']}s too"] if several else []
    rows = [_row(name, made["metrics"][name]) for name in shown() if name in made["metrics"]]
    rows = [row[: len(heads)] for row in rows]
    _console.table(heads, rows, title=title(made), right=heads[1:])
    empty, interval = made["empty"], made["interval"]
    _console.say(
        f"Empty masks: {empty['both']} both, {empty['pred_only']} only predicted empty, "
        f"{empty['truth_only']} only truth empty. Distances in pixels of the {made['at']} grid. "
        f"Intervals: {interval['method']}, {interval['resamples']} draws of {interval['units']} "
        f"{interval['unit']}s."
    )
    show_classes(made["classes"])
    _console.say(_curve(made["nsd_curve"]))
    for row in made["rows"]:
        dice = row["metrics"]["dice_image"]
        change = f"{100 * row['dice_image_gain']:+.2f} points, p = {row['p']:.3g}"
        _console.say(f"{row['name']}: dice_image {_interval(dice)} ({change})")
    if made["protocols"]:
        _show_protocols(made["protocols"])
    for row in made.get("tuned", []):
        _show_tuned(row)
    _show_details(made)


def title(made: dict[str, Any]) -> str:
    """What was scored, and how the checkpoint was chosen."""
    from segkit.report.wording import testing

    words = [
        f"{Path(made['run']).name}: {made['data']} {made['split']}, n = {made['n']}",
        f"selection: {made['selection']}",
    ]
    if _console.words_are("claim"):
        words.insert(1, testing(made["data"], made["trained_on"]))
    if made.get("protocol"):
        words.append(f"protocol {made['protocol']}")
    if made["data"] != made["trained_on"]:
        words.append(f"trained on {made['trained_on']}")
    return ", ".join(words)


def _row(name: str, entry: dict[str, Any]) -> list[str]:
    spread, folds = entry["sd"], entry.get("folds_sd")
    return [
        name,
        _figure(name, entry["mean"]),
        _range(name, entry["ci95"]),
        "" if spread is None else _figure(name, spread),
        "" if folds is None else _figure(name, folds),
        _range(name, entry.get("ci95_trainings")),
    ]


def _range(name: str, ends: list[float] | None) -> str:
    return "" if ends is None else f"{_figure(name, ends[0])} to {_figure(name, ends[1])}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.2f} {unit(name)}" if unit(name) else f"{100 * value:.2f}"


def _curve(rows: list[dict[str, Any]]) -> str:
    parts = [f"{row['tolerance']:g} {row['unit']} {100 * row['mean']:.1f}" for row in rows]
    return f"NSD by tolerance: {', '.join(parts)}."


def _interval(entry: dict[str, Any]) -> str:
    mean, ends = 100 * entry["mean"], entry["ci95"]
    if ends is None:
        return f"{mean:.2f}"
    return f"{mean:.2f} ({100 * ends[0]:.2f} to {100 * ends[1]:.2f})"


def _show_protocols(found: dict[str, Any]) -> None:
    names = ("dice", "iou", "acc", "sen", "spe", "pre", "mae")
    rows = [
        [name, *[_share(row.get("metrics", {}), key) for key in names], _how(row)]
        for name, row in found.items()
        if name not in ("spread", *TOOLS)
    ]
    _console.table(
        ["scoring", *names, "how"],
        rows,
        title="The same predictions under published conventions",
        right=names,
    )
    _show_tools({name: row for name, row in found.items() if name in TOOLS})
    spread = found.get("spread", {}).get("dice")
    if spread:
        _console.say(
            f"Dice spans {spread['points']:.2f} points: lowest as {spread['lowest']}, "
            f"highest as {spread['highest']}."
        )


def _show_tools(found: dict[str, Any]) -> None:
    """The distances under the names that three tools share."""
    rows = []
    for name, row in found.items():
        scores = row.get("metrics", {})
        cells = [_length(scores, "hd95"), _length(scores, "assd"), _share(scores, "nsd")]
        rows.append([name, *cells, _how(row)])
    if rows:
        heads = ["tool", "hd95 px", "assd px", "nsd", "how"]
        title = "The same masks under the distances of three tools"
        _console.table(heads, rows, title=title, right=heads[1:4])


def _length(scores: dict[str, float], name: str) -> str:
    value = scores.get(name)
    return "" if value is None or value != value else f"{value:.2f}"


def _how(row: dict[str, Any]) -> str:
    """How a convention works its figure out, or why it has none here."""
    return f"not worked out: {row['missing']}" if "missing" in row else str(row["summary"])


def _share(scores: dict[str, float], name: str) -> str:
    value = scores.get(name)
    return "" if value is None or value != value else f"{100 * value:.2f}"


def _show_tuned(row: dict[str, Any]) -> None:
    cut, clean = row["threshold"], row["post_processing"]
    _console.say(
        f"Chosen on the validation part of fold {row['fold']} (n = {row['n_val']}), on the "
        "prepared grid: threshold "
        f"{cut['chosen']:.3f}, test Dice {100 * cut['test_dice_image']:.2f} instead of "
        f"{100 * cut['test_dice_image_default']:.2f}; cleaning '{clean['chosen']}', "
        f"{100 * clean['test_dice_image']:.2f} instead of "
        f"{100 * clean['test_dice_image_default']:.2f}."
    )
    warm = row["temperature"]
    _console.say(
        f"Temperature {warm['chosen']:.3f} (fitted there): test ECE "
        f"{100 * warm['test_ece']:.2f} instead of {100 * warm['test_ece_default']:.2f}, log loss "
        f"{warm['test_log_loss']:.4f} instead of {warm['test_log_loss_default']:.4f}."
    )


def _show_details(made: dict[str, Any]) -> None:
    rows = [
        [row["feature"], row["slice"], row["n"], f"{100 * row['dice_image']:.2f}"]
        for row in made["slices"]
    ]
    if rows:
        _console.table(
            ["feature", "slice", "n", "dice"], rows, title="By kind of case", right=("n", "dice")
        )
    curve = made.get("risk_coverage")
    if curve:
        _console.say(
            f"Selective prediction: AURC {curve['aurc']:.4f} by expected Dice (perfect order "
            f"{curve['aurc_best']:.4f}, random {curve['aurc_random']:.4f}; less is better)."
        )
    worst = [f"{row['id']} {100 * row['dice']:.1f}" for row in made["worst"][:5]]
    _console.say("Worst cases (Dice): " + ", ".join(worst))
    for note in made["notes"]:
        _console.warn(note)


def _show_matrix(name: str, documents: list[dict[str, Any]]) -> None:
    rows = []
    for made in documents:
        rows.append(_matrix_row(made["data"], made, made["metrics"]))
        for row in made["rows"]:
            rows.append(_matrix_row(f"{made['data']} ({row['name']})", made, row["metrics"]))
    first = documents[0]
    _console.table(
        ["data", "part", "n", "dice_image", "iou_image", "dice_pooled", "hd95 px"],
        rows,
        title=f"{name}, trained on {first['trained_on']}, selection: {first['selection']}",
        right=("n", "dice_image", "iou_image", "dice_pooled", "hd95 px"),
    )
    for made in documents:
        for note in made["notes"]:
            _console.warn(f"{made['data']}: {note}")


def _matrix_row(label: str, made: dict[str, Any], metrics: dict[str, Any]) -> list[Any]:
    return [
        label,
        made["split"],
        made["n"],
        _interval(metrics["dice_image"]),
        _interval(metrics["iou_image"]),
        f"{100 * metrics['dice_pooled']['mean']:.2f}",
        f"{metrics['hd95']['mean']:.2f}",
    ]
