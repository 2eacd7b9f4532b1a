"""A small network's file is mostly words: names of nodes, noted shapes, the same zero many times.

`compact` leaves the arithmetic alone. What a person needs to know stands in the file's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def compact(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in fewer bytes; names of inputs and outputs stay."""
    parts = list(graphs(model.graph))
    for graph in parts:
        del graph.value_info[:]  # a runtime works shapes out by itself
    kept = {item.name for item in (*model.graph.input, *model.graph.output)}
    names = _merged(model.graph, kept)
    _number(parts, names, kept)
    for graph in parts:
        _rename(graph, names)
    return model


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, then the bodies of its scans and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def _merged(graph: onnx.GraphProto, kept: set[str]) -> dict[str, str]:
    """Drop constants that are there already; the name of each that went -> the one that stays."""
    first: dict[bytes, str] = {}
    stay, names = [], {}
    for item in graph.initializer:
        bare = onnx.TensorProto()
        bare.CopyFrom(item)
        bare.ClearField("name")
        known = first.setdefault(bare.SerializeToString(deterministic=True), item.name)
        if known == item.name or item.name in kept:
            stay.append(item)
        else:
            names[item.name] = known
    del graph.initializer[:]
    graph.initializer.extend(stay)
    return names


def _number(parts: list[onnx.GraphProto], names: dict[str, str], kept: set[str]) -> None:
    """Give every value a number for a name; no name is used twice, in bodies neither."""
    there = [name for graph in parts for name in _values(graph)]
    fresh = (text for text in map(_short, range(len(there) + len(kept))) if text not in kept)
    short: dict[str, str] = {}
    for name in there:
        if name and name not in kept and name not in names:
            short[name] = short.get(name) or next(fresh)
    names.update({name: short.get(other, other) for name, other in names.items()})
    names.update(short)


def _values(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (item.name for item in graph.input)
    yield from (item.name for item in graph.initializer)
    yield from (name for node in graph.node for name in node.output)
    yield from (item.name for item in graph.output)


def _short(number: int) -> str:
    text = ""
    while number or not text:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return f"v{text}"


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for item in (*graph.input, *graph.initializer, *graph.output):
        item.name = names.get(item.name, item.name)
    for node in graph.node:
        node.name = node.doc_string = ""
        for places in (node.input, node.output):
            renamed = [names.get(name, name) for name in places]
            del places[:]
            places.extend(renamed)
