"""ONNX through torch's dynamo exporter: one graph for any batch and size, run by ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import HalfPrecision, Subject
from segkit.engine.exporting.trace import naming_failures, quiet, trace
from segkit.engine.predicting.onnx_runtime import session_options
from segkit_export import onnx_functions, onnx_scan
from segkit_export.onnx_compact import graphs

OPSET = 20  # the first with GELU as one operator; any ONNX Runtime since 1.17 reads it


class OnnxFormat:
    """`segkit export … --to onnx`."""

    precisions: tuple[str, ...] = ("float32", "fp16", "int8")
    inside = False
    fixed = False

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.onnx"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Trace, convert, simplify, describe, save."""
        model = convert(subject, half=options.precision == "fp16")
        if options.precision == "int8":
            from segkit_export.onnx_int8 import quantise

            model = quantise(model, subject)
        add_metadata(model, subject)
        onnx.save(model, path)
        return facts(model)

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """ONNX Runtime on the CPU."""
        return session_runner(path)


def convert(subject: Subject, half: bool = False) -> onnx.ModelProto:
    """The network as an ONNX model with symbolic batch, height and width."""
    if half:
        import copy
        from dataclasses import replace

        subject = replace(subject, network=HalfPrecision(copy.deepcopy(subject.network)))
    program = trace(subject)
    with naming_failures(subject.card["architecture"]), quiet():
        converted = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            custom_translation_table=onnx_scan.TRANSLATIONS,
            input_names=["image"],
            output_names=["logits"],
            verbose=False,
        )
    assert converted is not None
    model = onnx_functions.attach(simplify(converted.model_proto))
    _name_dimensions(model, subject)
    return model


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the tracer's notes; torch's exporter has folded constants and dead nodes already."""
    for node in _nodes(model.graph):
        node.doc_string = ""
        del node.metadata_props[:]
    for item in [*model.graph.value_info, *model.graph.initializer, *model.graph.input]:
        del item.metadata_props[:]
    return model


def _name_dimensions(model: onnx.ModelProto, subject: Subject) -> None:
    """Call the free dimensions what they are: batch, height, width."""
    inside = subject.card["preprocessing"] == "inside"
    names = ["batch", "height", "width", ""] if inside else ["batch", "", "height", "width"]
    for value, labels in ((model.graph.input[0], names), (model.graph.output[0], _OUTPUT)):
        for dimension, label in zip(value.type.tensor_type.shape.dim, labels, strict=True):
            if label and not dimension.HasField("dim_value"):
                dimension.dim_param = label


_OUTPUT = ["batch", "", "height", "width"]


def add_metadata(model: onnx.ModelProto, subject: Subject) -> None:
    """The card goes into the metadata: `segkit` is all of it as JSON, the rest is for people."""
    card = subject.card
    model.producer_name, model.producer_version = "segkit", card["producer"].split()[-1]
    model.doc_string = f"{card['summary']} {card['notice']}"
    for key, value in _metadata(card).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def _metadata(card: dict[str, Any]) -> dict[str, str]:
    plain = ("architecture", "normalise", "colour", "resize", "threshold", "precision", "notice")
    return {
        "segkit": json.dumps(card, ensure_ascii=False),
        "size": "x".join(map(str, card["size"])),
        "classes": ", ".join(card["classes"]),
        **{key: str(card[key]) for key in plain},
    }


def facts(model: onnx.ModelProto) -> dict[str, Any]:
    """What the report says of the graph."""
    weights = sum(_weight_bytes(graph) for graph in graphs(model.graph))
    functions = sum(len(function.node) for function in model.functions)
    return {
        "opset": next(
            item.version for item in model.opset_import if item.domain in ("", "ai.onnx")
        ),
        "nodes": sum(1 for _ in _nodes(model.graph)) + functions,
        "graph_bytes": model.ByteSize() - weights,
        "scans": sum(_scans(node, model) for node in _nodes(model.graph)),
        "dynamic": [
            dimension.dim_param
            for dimension in model.graph.input[0].type.tensor_type.shape.dim
            if dimension.dim_param
        ],
    }


def _scans(node: onnx.NodeProto, model: onnx.ModelProto) -> int:
    """How many loops a node runs: a Scan is one, a call runs those of its function."""
    called = [item for item in model.functions if (item.domain, item.name) == _key(node)]
    inner = sum(_scans(item, model) for function in called for item in function.node)
    return inner + (node.op_type == "Scan")


def _key(node: onnx.NodeProto) -> tuple[str, str]:
    return node.domain, node.op_type


def _weight_bytes(graph: onnx.GraphProto) -> int:
    return sum(len(item.raw_data) for item in graph.initializer)


def _nodes(graph: onnx.GraphProto) -> Any:
    return (node for part in graphs(graph) for node in part.node)


def session_runner(model: Path | bytes, operators: bool = False) -> Runner:
    """A callable over an ONNX Runtime session on the CPU.

    Without `operators` as anybody's ONNX Runtime runs the file: what the gate must hold against.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        session_options(operators=operators),
        providers=["CPUExecutionProvider"],
    )
    name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> np.ndarray:
        return session.run(None, {name: np.ascontiguousarray(images)})[0]

    return run
