"""`segkit zoo`: every architecture, what it costs here, and what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit import build, paths, plugins
from segkit.cli import _console

COLUMNS = ("name", "year", "params M", "GMACs", "scan M", "GFLOPs", "CPU ms", "published", "Dice")


def command(
    names: Annotated[list[str] | None, typer.Argument(help="Only these; all if none.")] = None,
    size: Annotated[str, typer.Option(help="N or HxW, or paper: each at its own.")] = "256",
    latency: Annotated[
        bool,
        typer.Option("--measure/--no-measure", "--latency/--no-latency", help="CPU latency, too."),
    ] = False,
    onnx: Annotated[
        Path | None, typer.Option(help="Export each there, through the gate; reports are kept.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (.svg).")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the docs page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """All networks that can run here: parameters, operations, latency, published rows.

    Counts at 256 pixels are stored and answer at once; another --size counts, --measure runs.

    Example: segkit zoo --measure --plot zoo.svg
    """
    from segkit.cli.sizes import parse_size

    if plot:
        from segkit.engine.costs.plot import check_name

        check_name(plot)
    asked = names or plugins.names("architectures")
    for name in asked:
        value = plugins.get("architectures", name)
        if names:
            build.require(value)
    if onnx:
        _require_onnx()
    square = None if size == "paper" else parse_size(size)
    rows = _survey(asked, square, latency, onnx)
    if plot:
        _plot(rows, plot)
    if markdown:
        paths.write_text(markdown, _page(rows, size, onnx))
        _console.note(f"written: {markdown}")
    if as_json:
        _console.emit_json(rows)
    elif not markdown:
        columns, cells = _columns(rows), [_cells(row) for row in rows]
        _console.table(columns, cells, _title(rows, size), right=COLUMNS[2:7])
        for line in _elsewhere(rows):
            _console.note(line)


def _require_onnx() -> None:
    """The exporter's packages, before anything is counted."""
    from segkit.engine.exporting.export import find_exporter

    find_exporter("onnx")


def _survey(
    names: list[str], size: tuple[int, int] | None, latency: bool, onnx: Path | None
) -> list[dict[str, Any]]:
    from segkit.engine.costs import zoo

    rows = []
    with _console.progress("networks", len(names)) as ticker:
        for row in zoo.survey(names, size, latency, onnx):
            ticker.describe(row["name"])
            ticker.advance()
            rows.append(row)
    return sorted(rows, key=lambda row: row["flops"])


def _title(rows: list[dict[str, Any]], size: str) -> str:
    threads = next((row["latency_ms"]["threads"] for row in rows if row["latency_ms"]), None)
    clock = f", latency at batch 1 on {threads} CPU threads" if threads else ""
    return f"{len(rows)} architectures at {size}{clock}; published figures as printed"


def _cells(row: dict[str, Any]) -> list[str]:
    time = row["latency_ms"]
    return [
        row["name"],
        str(row["year"] or ""),
        f"{row['params'] / 1e6:.3f}",
        f"{row['macs'] / 1e9:.3f}",
        f"{row['scan_ops'] / 1e6:.0f}" if row["scan_ops"] else "",
        f"{row['flops'] / 1e9:.3f}",
        f"{time['median']:.0f}" if time else "",
        _published(row["published"]),
        _scores(row["published_scores"]),
        *([_verdict(row["onnx"])] if row["onnx"] else []),
    ]


def _columns(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The columns of the table, with those of the ONNX export if it was asked for."""
    return (*COLUMNS, "ONNX") if any(row["onnx"] for row in rows) else COLUMNS


def _verdict(exported: dict[str, Any]) -> str:
    if not exported["passed"]:
        return f"no: {exported['reason']}"
    bound = exported["bound"]
    loose = f" to {bound:.1g}" if bound > 1e-3 else ""
    return f"passes{loose}, {exported['nodes']} nodes, {exported['graph_bytes'] / 1e3:.0f} kB"


def _published(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return ""
    params = f"{figures['params_m']:g} M" if figures["params_m"] is not None else ""
    gflops = f"{figures['gflops']:g} G" if figures["gflops"] is not None else ""
    return ", ".join(part for part in (params, gflops) if part)


def _scores(scores: list[dict[str, Any]]) -> str:
    """Dice per dataset, the best of the tables that print it."""
    best: dict[str, float] = {}
    for score in scores:
        if score["dice"] is not None:
            best[score["data"]] = max(best.get(score["data"], 0.0), 100 * score["dice"])
    return ", ".join(f"{data} {dice:.2f}" for data, dice in sorted(best.items()))


def _elsewhere(rows: list[dict[str, Any]]) -> list[str]:
    """Published scores of networks that only share a name: with their own size, row by row."""
    lines = []
    for row in rows:
        sizes: dict[float | None, list[dict[str, Any]]] = {}
        for score in row["published_elsewhere"]:
            sizes.setdefault(score["params_m"], []).append(score)
        parts = [
            f"{'size not printed' if size is None else f'{size:g} M'}: {_scores(scores)}"
            for size, scores in sorted(sizes.items(), key=lambda item: item[0] or 0.0)
        ]
        if parts:
            own = f"{row['params'] / 1e6:.3g} M"
            lines.append(
                f"{row['name']} is {own} here; published under its name: {'; '.join(parts)}"
            )
    return lines


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    from segkit.engine.costs.plot import draw

    documents = [{"architecture": row["name"], **row} for row in rows]
    draw(documents, path)
    _console.note(f"written: {path}")


def _page(rows: list[dict[str, Any]], size: str, onnx: Path | None) -> str:
    """The documentation page."""
    columns = _columns(rows)
    measured = any(row["latency_ms"] for row in rows)
    extra = (" --measure" if measured else "") + (" --onnx exports/zoo" if onnx else "")
    command = f"segkit zoo --size {size}{extra}"
    lines = [
        "# The zoo",
        "",
        f"Made by `{command} --markdown docs/zoo.md`. {_title(rows, size)}.",
        "Scores of all of them under one recipe: [on the built-in pictures](zoo-demo.md).",
        "",
        "GMACs are multiply-adds of convolutions, linear layers and matrix products; scan is the",
        "number of state updates in millions; GFLOPs = 2·GMACs + the scan. Published figures are",
        "quoted as printed: most 'GFLOPs' there are multiply-adds. Dice is the published one, in",
        "points, the best of the tables that print it for a network of this size; it is not",
        "ours and mostly not comparable. Scores of other networks of the same name stand below.",
        "",
        *(_ABOUT_ONNX if onnx else []),
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(_cells(row)) + " |" for row in rows),
        "",
        "## Where our count differs from the published one",
        "",
        *_differences(rows),
        "",
        "## Published under the same name, of another size",
        "",
        *([f"- {line}" for line in _elsewhere(rows)] or ["None."]),
        "",
    ]
    return "\n".join(lines)


_ABOUT_ONNX = [
    "ONNX: written by the exporter from fresh weights whose batch norms have seen one batch, run",
    "by ONNX Runtime and compared with the network at three sizes by the gate of",
    "[segkit export](commands/export.md); then its nodes, and its size without weights. A bound is",
    "named where the network's own float32 is off from its float64 by half of the gate's or more;",
    "it is twice that difference.",
    "",
]


def _differences(rows: list[dict[str, Any]]) -> list[str]:
    notes = []
    for row in rows:
        figures = row["published"]
        if figures and figures["note"]:
            at = f" at {figures['input']}" if figures["input"] else ""
            quoted = f"{_published(figures)}{at}, {figures['source']}"
            notes.append(f"- **{row['name']}** ({quoted}): {figures['note'].rstrip('.')}.")
    return notes or ["None."]
