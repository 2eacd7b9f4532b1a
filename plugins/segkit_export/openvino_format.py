"""OpenVINO IR: the ONNX graph, read by OpenVINO and written as .xml and .bin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.inliner import inline_local_functions

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import Subject
from segkit_export.onnx_format import add_metadata, convert, facts


class OpenVinoFormat:
    """`segkit export … --to openvino`."""

    precisions: tuple[str, ...] = ("float32",)
    inside = False
    fixed = False

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.xml"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Two files; the card is in the runtime information of the .xml."""
        import openvino

        graph = path.with_suffix(".onnx.tmp")
        model = convert(subject)
        add_metadata(model, subject)
        onnx.save(inline_local_functions(model), graph)  # OpenVINO is not asked to know functions
        converted = openvino.convert_model(graph)
        graph.unlink()
        converted.set_rt_info(json.dumps(subject.card, ensure_ascii=False), "segkit")
        openvino.save_model(converted, path, compress_to_fp16=False)
        return {"nodes": len(converted.get_ops()), "scans": facts(model)["scans"]}

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """On the CPU in float32: left alone, OpenVINO takes bfloat16 where the processor has it."""
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", settings)

        def run(images: np.ndarray) -> np.ndarray:
            return compiled(np.ascontiguousarray(images))[0]

        return run
