"""torch.export's own file: torch loads it without our sources (with them, where it scans)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import Subject
from segkit.engine.exporting.trace import naming_failures, quiet, trace

CARD = "segkit.json"


class Pt2Format:
    """`segkit export … --to pt2`."""

    precisions: tuple[str, ...] = ("float32",)
    inside = False
    fixed = False

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.pt2"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Scans stay segkit's operators: fast, and loading needs `import segkit.ops`."""
        program = trace(subject)
        card = subject.card | {"operators": sorted(operators(program))}
        with naming_failures(subject.card["architecture"]), quiet():
            torch.export.save(program, path, extra_files={CARD: json.dumps(card)})
        return {
            "nodes": len(program.graph.nodes),
            "needs": sorted({name.split("::")[0] for name in card["operators"]} - {"aten", "prim"}),
        }

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """torch, as its user would."""
        with quiet():
            module = torch.export.load(path).module()

        def run(images: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return module(torch.from_numpy(np.ascontiguousarray(images))).float().numpy()

        return run


def operators(program: torch.export.ExportedProgram) -> set[str]:
    """The operators that the program calls, "namespace::name"."""
    calls = {node.target for node in program.graph.nodes if node.op == "call_function"}
    return {call.name().split(".")[0] for call in calls if isinstance(call, torch._ops.OpOverload)}
