"""`segkit export`: a file to ship, checked against the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.errors import UsageError


def command(
    target: Annotated[str, typer.Argument(help="A run folder, or an architecture (untrained).")],
    to: Annotated[str, typer.Option(help="onnx, pt2, web, openvino, executorch or a plugin's.")],
    out: Annotated[
        Path, typer.Option(help="Folder, or a file name with the format's suffix.")
    ] = Path("exports"),
    fold: Annotated[int, typer.Option(min=0, help="Which fold of the run.")] = 0,
    size: Annotated[
        str | None, typer.Option(help="N or HxW that the file is made for; default: the run's.")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, fp16 or int8 (onnx and web).")] = (
        "float32"
    ),
    preprocess: Annotated[
        bool, typer.Option("--preprocess", help="Normalise inside the graph: uint8 NHWC in.")
    ] = False,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="web: one HTML file with everything in it.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="web: what certify wrote, if it lies elsewhere; the page draws the band."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Largest difference of a logit; float32: 1e-3 or 1e-5 of the largest."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of an architecture: model.KEY=V.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="The report of the check on stdout.")
    ] = False,
) -> None:
    """Write a file, load it again, compare it with the network at three sizes and on real pictures.

    A file that answers differently is not kept, and the exit code is 1. The report of the check
    lies beside the file.

    Example: segkit export runs/vmpanet-isic2018 --to onnx --out exports
    """
    from segkit.cli.sizes import model_settings, parse_size
    from segkit.engine.exporting.export import ExportOptions, export, find_exporter
    from segkit.engine.exporting.promised import promised
    from segkit.engine.exporting.subject import find_subject

    exporter = find_exporter(to)
    if certificate is not None and to != "web":
        raise UsageError("--certificate goes with --to web", "the page is what draws margins")
    subject = find_subject(
        target,
        fold=fold,
        size=parse_size(size) if size else None,
        settings=model_settings(set_ or [], "export"),
    )
    if not subject.card["trained"]:
        console.warn(f"{target} is an architecture: the weights are untrained")
    elif subject.images is None:
        console.note("The run's data are not here: checked on drawn pictures only.")
    if subject.card.get("registered"):
        console.note(subject.card["registered"])
    options = ExportOptions(precision, preprocess, tolerance, single_file)
    if to == "web":
        subject = replace(subject, card=subject.card | {"precision": precision})
        subject, wrong = promised(subject, target, certificate)
        if wrong:
            console.warn(f"no margins are drawn, the certificate promises nothing here: {wrong}")
    with console.progress(f"export to {exporter.name}"):
        report = export(subject, to, out, options)
    if json:
        console.emit_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    columns = ["check", "input", "largest difference", "flipped pixels", "Dice"]
    rows = [
        [
            case["name"],
            "×".join(map(str, case["shape"])),
            f"{case['max_difference']:.1e} of {case['largest_logit']:.2g}",
            f"{100 * case['flipped']:.4f} %",
            f"{case['dice']:.5f}",
        ]
        for case in report["cases"]
    ]
    console.table(columns, rows, title="against the network", right=columns[2:])
    truth = report["dice_with_truth"]
    if truth:
        console.say(
            f"Dice with the truth on {truth['pictures']} validation pictures: "
            f"network {truth['network']:.4f}, file {truth['file']:.4f}"
        )
    console.say(f"{report['file']}: {report['bytes'] / 1e6:.2f} MB{_graph(report)}")


def _graph(report: dict[str, Any]) -> str:
    """What is known of the graph, in words."""
    parts = []
    if "opset" in report:
        parts.append(f"opset {report['opset']}")
    if "nodes" in report:
        parts.append(f"{report['nodes']:,} nodes")
    if "graph_bytes" in report:
        parts.append(f"graph without weights {report['graph_bytes'] / 1e3:.0f} kB")
    if report.get("dynamic"):
        parts.append("free " + ", ".join(report["dynamic"]))
    if report.get("needs"):
        parts.append("needs `import " + "`, `import ".join(report["needs"]) + "`")
    return "".join(f", {part}" for part in parts)
