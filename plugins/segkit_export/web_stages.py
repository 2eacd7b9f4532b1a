"""The network cut at its scans, so that a browser's GPU computes these and WebAssembly the rest.

A stage is an ONNX graph of all that can be computed before the next scans are needed. Its weights
stay where they are, in `model.onnx`: the stages name the places. Where there is no WebGPU the page
runs `model.onnx` as a whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import shape_inference

from segkit_export.onnx_functions import DOMAIN, OPERATORS

SCANS = frozenset(item.name for item in OPERATORS)
WORTH = 256  # bytes from which a weight is left in model.onnx


def stages(model: onnx.ModelProto, file: bytes, name: str) -> list[dict[str, Any]]:
    """Graph, inputs, outputs and scans of each stage; empty where the network does not scan.

    `file` is the model as it lies beside the page under `name`.
    """
    if not any(_scans(node) for node in model.graph.node):
        return []
    types = _types(model)
    depth, parts = _depths(model.graph)
    weights = {item.name: item for item in model.graph.initializer}
    needed = _needed(model.graph, depth, parts, set(weights))
    if any(value not in types for values in needed for value in values):
        return []  # a value of unknown type cannot be handed over
    return [
        _stage(index, parts[index], needed, types, weights, model, file, name)
        for index in range(len(parts))
    ]


def _scans(node: onnx.NodeProto) -> bool:
    return node.domain == DOMAIN.domain and node.op_type in SCANS


def _types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """What is known of each value, without the names of free sizes."""
    graph = shape_inference.infer_shapes(model).graph
    found = {}
    for item in (*graph.value_info, *graph.input, *graph.output):
        if item.type.tensor_type.elem_type:
            found[item.name] = item
    for weight in graph.initializer:
        found[weight.name] = onnx.helper.make_tensor_value_info(
            weight.name, weight.data_type, list(weight.dims)
        )
    return found


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Values that a node takes, those that its bodies take from outside included."""
    yield from (value for value in node.input if value)
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            inside = {item.name for item in (*graph.input, *graph.initializer)}
            for inner in graph.node:
                yield from (value for value in _reads(inner) if value not in inside)
                inside.update(inner.output)


def _depths(graph: onnx.GraphProto) -> tuple[dict[str, int], list[list[onnx.NodeProto]]]:
    """How many scans lie before each value on the longest way, and the nodes by that number."""
    depth: dict[str, int] = {item.name: 0 for item in graph.input}
    parts: list[list[onnx.NodeProto]] = []
    for node in graph.node:
        own = max((depth.get(value, 0) for value in _reads(node)), default=0)
        while len(parts) <= own + _scans(node):
            parts.append([])
        parts[own].append(node)
        depth.update({value: own + _scans(node) for value in node.output})
    return depth, parts


def _needed(
    graph: onnx.GraphProto,
    depth: dict[str, int],
    parts: list[list[onnx.NodeProto]],
    weights: set[str],
) -> list[set[str]]:
    """Of each stage, the values that others and its own scans take from it."""
    needed: list[set[str]] = [set() for _ in parts]
    made = {
        value: index
        for index, part in enumerate(parts)
        for node in part
        if not _scans(node)
        for value in node.output
    }
    for index, part in enumerate(parts):
        for node in part:
            for value in _reads(node):
                if value in made and (made[value] < index or _scans(node)):
                    needed[made[value]].add(value)
                elif value in weights and _scans(node):
                    needed[0].add(value)
    for item in graph.output:
        needed[made[item.name]].add(item.name)
    return needed


def _stage(
    index: int,
    part: list[onnx.NodeProto],
    needed: list[set[str]],
    types: dict[str, onnx.ValueInfoProto],
    weights: dict[str, onnx.TensorProto],
    model: onnx.ModelProto,
    file: bytes,
    name: str,
) -> dict[str, Any]:
    nodes = [node for node in part if not _scans(node)]
    made = {value for node in nodes for value in node.output}
    read = {value for node in nodes for value in _reads(node)}
    inputs = sorted(read - made - set(weights))
    handed = sorted(needed[index] & set(weights))
    outputs = sorted(needed[index])
    graph = onnx.helper.make_graph(
        [*nodes, *(onnx.helper.make_node("Identity", [value], [f"{value}*"]) for value in handed)],
        f"stage{index}",
        [types[value] for value in inputs],
        [
            _renamed(types[value], f"{value}*") if value in handed else types[value]
            for value in outputs
        ],
        [
            _outside(weights[value], file, name)
            for value in sorted(read | set(handed))
            if value in weights
        ],
    )
    made_of = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    return {
        "model": base64.b64encode(made_of.SerializeToString()).decode() if nodes else "",
        "inputs": inputs,
        "outputs": {f"{value}*" if value in handed else value: value for value in outputs},
        "scans": [
            {"operator": node.op_type, "inputs": list(node.input), "output": node.output[0]}
            for node in part
            if _scans(node)
        ],
    }


def _renamed(item: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(item)
    copy.name = name
    return copy


def _outside(weight: onnx.TensorProto, file: bytes, name: str) -> onnx.TensorProto:
    """The weight as a place in the model's file; small ones as they are."""
    at = file.find(weight.raw_data) if len(weight.raw_data) >= WORTH else -1
    if at < 0:
        return weight
    place = onnx.TensorProto(name=weight.name, data_type=weight.data_type, dims=weight.dims)
    place.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", at), ("length", len(weight.raw_data))):
        place.external_data.add(key=key, value=str(value))
    return place
