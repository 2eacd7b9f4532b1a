"""Every architecture through the ONNX exporter and its gate, for the zoo's table."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segkit import build, paths
from segkit.engine.exporting.export import ExportOptions, export, report_path
from segkit.engine.exporting.parity import BOUNDS, drawing, pictures
from segkit.engine.exporting.subject import Subject, find_subject
from segkit.errors import SegkitError

SIDE = 64  # the graph is the same at every size; small pictures keep the comparison short


def onnx_facts(name: str, folder: Path) -> dict[str, Any]:
    """The gate's verdict on one network; a report that lies in `folder` already is taken."""
    report = report_path(folder / f"{name}.onnx")
    if not report.is_file():
        try:
            subject = settled(name)
            export(subject, "onnx", folder, options_for(subject))
        except SegkitError as error:
            return {"passed": False, "reason": ": ".join(filter(None, (error.what, error.why)))}
    found = paths.read_json(report)
    cases = found["cases"]
    return {
        "passed": bool(found["passed"]),
        "reason": "",
        **{key: found[key] for key in ("opset", "nodes", "graph_bytes", "bytes")},
        "size": found["card"]["size"],
        "bound": found["bounds"]["logits"],
        "max_difference": max(case["max_difference"] for case in cases),
        "largest_logit": max(case["largest_logit"] for case in cases),
    }


def options_for(subject: Subject) -> ExportOptions:
    """The gate as it is; where the network's own float32 is off by half its bound, twice that.

    VMPANet's logits move by 2e-2 for a millionth of noise in the picture at such statistics: no two
    runtimes agree to 1e-3 there, nor does the network with its own float64.
    """
    own, largest = own_rounding(subject)
    bound = BOUNDS["float32"].of_logits(largest)
    return (
        ExportOptions() if bound is None or own <= bound / 2 else ExportOptions(tolerance=2 * own)
    )


def own_rounding(subject: Subject) -> tuple[float, float]:
    """How far float32 is off from float64 on the gate's pictures, and the largest logit."""
    exact = copy.deepcopy(subject.network).double()
    off = largest = 0.0
    for _, images in pictures(subject):
        inputs = subject.inputs(images)
        with torch.no_grad():
            wanted = exact(torch.from_numpy(inputs).double()).numpy()
        off = max(off, float(np.abs(subject.logits(inputs) - wanted).max()))
        largest = max(largest, float(np.abs(wanted).max()))
    return off, largest


def settled(name: str, settings: Mapping[str, Any] | None = None) -> Subject:
    """An untrained network that has seen a few pictures.

    With the norms as they are made, some networks answer the same everywhere to less than the
    gate's bound (MK-UNet: 1e-3), and a wrong file would pass.
    """
    side = max(SIDE, build.architecture(name).min_train_size)
    subject = find_subject(name, size=(side, side), settings=settings)
    norms = [m for m in subject.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # its statistics are those of the one batch
    images = drawing(np.random.default_rng(5), 4, 2 * side, 2 * side, subject.channels)
    subject.network.train()
    with torch.no_grad():
        subject.network(torch.from_numpy(subject.inputs(images)))
    subject.network.eval()
    return subject
