"""Export: write into a temporary folder, load it again, compare, and only then put it in place.

An exporter plugin (`segkit.api.Exporter.make()`) gives an `ExportFormat`.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from segkit import paths, plugins
from segkit.api import Exporter, ExportFormat, ExportOptions, resolve
from segkit.engine.environment import versions
from segkit.engine.exporting.parity import BOUNDS, Bounds, against_truth, as_rows, check
from segkit.engine.exporting.subject import Subject, with_preprocessing
from segkit.errors import MissingExtra, SegkitError, UsageError


def find_exporter(name: str) -> Exporter:
    """The exporter, once its packages are there."""
    exporter: Exporter = plugins.get("exporters", name)
    for package in exporter.requires:
        if find_spec(package) is None:
            raise MissingExtra(package, exporter.extra or "export", f"--to {name}")
    return exporter


def export(
    subject: Subject, name: str, out: Path, options: ExportOptions = ExportOptions()
) -> dict[str, Any]:
    """Write, check and place one file; the report is returned and lies beside it."""
    exporter = find_exporter(name)
    file_format: ExportFormat = resolve(exporter.make)()
    _refuse(exporter, file_format, options, subject)
    card = subject.card | {"precision": options.precision}
    card["fixed_size"] = card["fixed_size"] or file_format.fixed
    subject = replace(subject, card=card)
    if options.preprocess or file_format.inside:
        subject = with_preprocessing(subject)
    target = place(out, file_format, subject, options)
    with paths.working_folder(target.parent, "export") as folder:
        work = folder / target.name
        facts = file_format.write(subject, work, options)
        bounds = bounds_for(options)
        runner = file_format.load(work, options)
        cases = check(subject, runner, bounds)
        report = _report(subject, exporter, target, facts, bounds) | {
            "cases": as_rows(cases, bounds)
        }
        report["dice_with_truth"] = against_truth(subject, runner)
        report["bytes"] = _bytes(folder)
        report |= {"sha256": paths.sha256(work)} if work.is_file() else {}
        _move(folder, target.parent)
    paths.write_json(report_path(target), report)
    return report


def _refuse(
    exporter: Exporter, file_format: ExportFormat, options: ExportOptions, subject: Subject
) -> None:
    if options.precision not in file_format.precisions:
        allowed = ", ".join(file_format.precisions)
        raise UsageError(
            f"--to {exporter.name} has no precision {options.precision}", f"it has {allowed}"
        )
    if options.precision == "int8" and subject.images is None:
        raise UsageError(
            "int8 is calibrated on validation pictures, and there are none",
            "export a run whose dataset is prepared here",
        )


def bounds_for(options: ExportOptions) -> Bounds:
    """The bounds of the precision, with the user's tolerance for the logits."""
    bounds = BOUNDS[options.precision]
    if options.tolerance is None:
        return bounds
    return replace(bounds, logits=options.tolerance, relative=0.0)


def place(out: Path, file_format: ExportFormat, subject: Subject, options: ExportOptions) -> Path:
    """`out` is a folder, or a path with the format's suffix."""
    card = subject.card
    stem = card.get("run") or card["architecture"]
    if card["precision"] != "float32":
        stem += f"-{card['precision']}"
    name = file_format.file_name(stem, options)
    return out if out.suffix and out.suffix == Path(name).suffix else out / name


def report_path(target: Path) -> Path:
    """Where the report of the check lies: beside the file."""
    return target.with_name(f"{target.name}.check.json")


def _report(
    subject: Subject, exporter: Exporter, target: Path, facts: dict[str, Any], bounds: Bounds
) -> dict[str, Any]:
    return {
        "file": str(target),
        "format": exporter.name,
        "architecture": subject.card["architecture"],
        "card": subject.card,
        **facts,
        "passed": True,
        "bounds": asdict(bounds),
        "versions": versions() | {"torch": torch.__version__},
    }


def _bytes(folder: Path) -> int:
    """Size of everything that was written."""
    return sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())


def _move(work: Path, target: Path) -> None:
    """Put everything that was written in its place; what was there before goes."""
    for item in work.iterdir():
        there = target / item.name
        if there.is_dir():
            shutil.rmtree(there)
        item.replace(there)


__all__ = ["ExportFormat", "ExportOptions", "SegkitError", "export", "find_exporter", "report_path"]
