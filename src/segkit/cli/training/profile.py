"""`segkit profile`: what a network costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console

COLUMNS = (
    "architecture",
    "input",
    "params",
    "MACs",
    "scan ops",
    "FLOPs",
    "weights MB",
    "median ms",
    "p95 ms",
    "images/s (batch)",
    "memory MB",
    "training MB",
)


def command(
    architectures: Annotated[list[str], typer.Argument(help="One or more networks.")],
    size: Annotated[
        str | None, typer.Option(help="N or HxW, several with commas; default: the paper's.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images per call.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the network: model.KEY=VALUE.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Force one kernel backend.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--count-only", help="Also run it here, or only count.")
    ] = True,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Time for what is measured, per network and size.")
    ] = 2.0,
    tree: Annotated[bool, typer.Option("--tree", help="Costs per block.")] = False,
    depth: Annotated[int, typer.Option(min=1, help="Levels of --tree.")] = 2,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture of cost against time as SVG.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Honest costs: parameters, MACs, scan operations, FLOPs, latency, memory, as published.

    FLOPs = 2 · MACs + the scan (9 per state update, and the skip). What nobody can count is listed.
    Norms, activations, pooling and resizing are listed apart and are in no sum.

    Example: segkit profile dermomamba vmpanet unet --size 256 --count-only
    """
    from segkit.cli.sizes import model_settings, parse_sizes
    from segkit.engine.costs.plot import check_name, draw
    from segkit.engine.costs.profile import ProfileSettings, measure_many, profile_many

    check_name(plot)
    sizes = parse_sizes(size)
    settings = ProfileSettings(
        batch=batch,
        device=device,
        model=model_settings(set_ or [], "profile"),
        measure=measure,
        seconds=seconds,
        tree=tree,
    )
    alone = len(architectures) == 1 and len(sizes) <= 1 and not json
    documents = []
    with _backend(backend):
        counts = replace(settings, measure=False)
        with console.progress("count", len(architectures) * max(1, len(sizes))) as bar:
            for document in profile_many(architectures, sizes, counts):
                bar.advance()
                documents.append(document)
        if alone:  # what is counted stands there before anything is measured
            _show_counts(documents[0])
        if measure:
            with console.progress("measure", len(documents)) as bar:
                for _ in measure_many(documents, settings):
                    bar.advance()
    if plot is not None:
        console.note(f"wrote {draw(documents, plot)}")
    if json:
        console.emit_json(documents[0] if len(documents) == 1 else documents)
    elif alone:
        _show_measured(documents[0])
        if "tree" in documents[0]:
            _show_tree(documents[0], depth)
    else:
        _show_many(documents, depth)


def _backend(name: str | None) -> Any:
    from contextlib import nullcontext

    if name is None:
        return nullcontext()
    from segkit import ops

    return ops.using_backend(name)


def _show_counts(document: dict[str, Any]) -> None:
    columns = ["cost", "value", "note"]
    console.table(columns, _rows(document), title=_title(document), right=["value"])


def _show_measured(document: dict[str, Any]) -> None:
    rows = _measured_rows(document)
    if rows:
        console.table(["measured here", "value", "note"], rows, right=["value"])


def _rows(document: dict[str, Any]) -> list[list[str]]:
    rows = [
        ["parameters", f"{document['params']:,}", f"{document['params_trainable']:,} trainable"],
        ["weights", f"{document['weights_mb']:.2f} MB", "float32, buffers included"],
        ["MACs", f"{document['macs']:,}", _by_kind(document["macs_by_kind"])],
        [
            "scan updates",
            f"{document['scan_ops']:,}",
            "batch · directions · channels · steps · states",
        ],
        ["FLOPs", f"{document['flops']:,}", "2 · MACs + 9 · scan updates + scan updates / states"],
        [
            "activations",
            f"{document['activations']:,}",
            "elements written by what is counted above",
        ],
        ["listed apart", "", _by_kind(document["elements"]) + " (elements written)"],
        ["uncounted", str(len(document["uncounted_ops"])), _uncounted(document)],
    ]
    return rows + _paper_rows(document)


def _by_kind(kinds: dict[str, int]) -> str:
    return ", ".join(f"{kind} {amount:,}" for kind, amount in kinds.items())


def _uncounted(document: dict[str, Any]) -> str:
    calls = document["uncounted_calls"]
    return (
        ", ".join(f"{name} ×{number}" for name, number in calls.items())
        or "every operator is known"
    )


def _paper_rows(document: dict[str, Any]) -> list[list[str]]:
    rows, counter, published = [], document["paper_counter"], document["published"]
    if counter:
        rows.append(["the paper's way", f"{counter['value']:,}", counter["name"]])
    if published:
        figures = [
            f"{published['params_m']} M" if published["params_m"] is not None else "",
            f"{published['gflops']} G" if published["gflops"] is not None else "",
        ]
        note = "; ".join(filter(None, [published["source"], published["input"], published["note"]]))
        rows.append(["as published", " / ".join(filter(None, figures)), note])
    return rows


def _measured_rows(document: dict[str, Any]) -> list[list[str]]:
    latency = document["latency_ms"]
    if latency is None:
        return []
    threads = f", {latency['threads']} threads" if latency["threads"] else ""
    rate = document["throughput"]
    rows = [
        ["latency", f"{latency['median']:.2f} ms", f"median of {latency['runs']} runs{threads}"],
        ["  95th percentile", f"{latency['p95']:.2f} ms", latency["device"]],
        ["throughput", f"{rate['images_per_s']:.1f} images/s", f"batch {rate['batch']}"],
        ["peak memory", f"{document['peak_memory_mb']:.1f} MB", "inference, weights included"],
        ["  of a training step", f"{document['peak_memory_training_mb']:.1f} MB", "no optimizer"],
    ]
    if document["energy_j"] is not None:
        rows.append(["energy", f"{document['energy_j']:.3f} J", "per call"])
    if document["backend"]:
        rows.append(["scan backend", document["backend"], ""])
    return rows


def _title(document: dict[str, Any]) -> str:
    batch, channels, height, width = document["input"]
    return f"{document['architecture']}, input {batch}×{channels}×{height}×{width}"


def _show_many(documents: list[dict[str, Any]], depth: int) -> None:
    measured = any(document["latency_ms"] for document in documents)
    columns = list(COLUMNS if measured else COLUMNS[:7])
    rows = [_short_row(document)[: len(columns)] for document in documents]
    console.table(columns, rows, right=columns[2:])
    for document in documents:
        if document["uncounted_ops"]:
            console.warn(f"{document['architecture']}: uncounted {_uncounted(document)}")
        if "tree" in document:
            _show_tree(document, depth)


def _short_row(document: dict[str, Any]) -> list[str]:
    height, width = document["input"][2:]
    row = [
        document["architecture"],
        f"{height}×{width}",
        f"{document['params']:,}",
        f"{document['macs']:,}",
        f"{document['scan_ops']:,}",
        f"{document['flops']:,}",
        f"{document['weights_mb']:.2f}",
    ]
    latency, rate = document["latency_ms"], document.get("throughput")
    if latency is None or rate is None:
        return [*row, "", "", "", "", ""]
    return [
        *row,
        f"{latency['median']:.2f}",
        f"{latency['p95']:.2f}",
        f"{rate['images_per_s']:.1f} ({rate['batch']})",
        f"{document['peak_memory_mb']:.1f}",
        f"{document['peak_memory_training_mb']:.1f}",
    ]


def _show_tree(document: dict[str, Any], depth: int) -> None:
    columns = ["block", "type", "params", "MACs", "scan ops", "share of FLOPs"]
    total = max(1, document["flops"])
    rows = [
        [
            "  " * row["depth"] + (row["name"].rpartition(".")[2] or document["architecture"]),
            row["type"],
            f"{row['params']:,}",
            f"{row['macs']:,}",
            f"{row['scan_ops']:,}",
            f"{100 * row['flops'] / total:.1f} %",
        ]
        for row in document["tree"]
        if row["depth"] <= depth
    ]
    console.table(columns, rows, title=f"blocks of {_title(document)}", right=columns[2:])
