"""ExecuTorch for phones: XNNPACK kernels where they fit, at the network's own size and batch 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import Subject
from segkit.engine.exporting.trace import naming_failures, quiet
from segkit.errors import SegkitError


class ExecutorchFormat:
    """`segkit export … --to executorch`."""

    precisions: tuple[str, ...] = ("float32",)
    inside = False
    fixed = True

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.pte"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Trace at one size, lower to XNNPACK, serialise."""
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        image = torch.zeros(1, subject.channels, *subject.size)
        with naming_failures(subject.card["architecture"]), quiet():
            program = torch.export.export(subject.network.eval(), (image,))
            _refuse_scans(program)
            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            path.write_bytes(edge.to_executorch().buffer)
        return {"nodes": len(program.graph.nodes)}

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """ExecuTorch's runtime for Python."""
        from executorch.runtime import Runtime

        method = Runtime.get().load_program(path).load_method("forward")

        def run(images: np.ndarray) -> np.ndarray:
            answers = [method.execute([torch.from_numpy(image[None])])[0] for image in images]
            return torch.cat(answers).numpy()

        return run


def _refuse_scans(program: torch.export.ExportedProgram) -> None:
    for node in program.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "segkit":
            name = node.target.name().partition(".")[0]
            raise SegkitError(f"operator {name} cannot be exported", "ExecuTorch has no scan")
