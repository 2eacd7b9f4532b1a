"""From a network to torch's exported program: one graph for any batch, height and width."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.export import Dim, ExportedProgram
from torch.fx import Graph

from segkit.engine.exporting.subject import Subject
from segkit.errors import SegkitError

_OPERATOR = re.compile(r"\b(?!aten\b|prim\b|torch\b)([A-Za-z_]\w*)(?:::|\.)(\w+)\.default\b")
_NAMED = re.compile(r"OpOverload\(op='([\w.]+)'")


def example(subject: Subject) -> torch.Tensor:
    """A picture that gives nothing away: batch 2, height ≠ width unless the network insists."""
    height, width = subject.size
    if not subject.card["fixed_size"]:
        width += 32
    if subject.card["preprocessing"] == "inside":
        return torch.zeros(2, height, width, subject.channels, dtype=torch.uint8)
    return torch.zeros(2, subject.channels, height, width)


def trace(subject: Subject) -> ExportedProgram:
    """Trace the network for any batch and size; a scan stays one operator, `segkit::…`."""
    from segkit import ops

    inside = subject.card["preprocessing"] == "inside"
    shape: dict[int, Dim] = {0: Dim.DYNAMIC}
    if not subject.card["fixed_size"]:
        shape |= {1 + (not inside): Dim.AUTO, 2 + (not inside): Dim.AUTO}
    with (
        naming_failures(subject.card["architecture"]),
        ops.using_backend("torch"),
        any_size(),
        quiet(),
    ):
        program = torch.export.export(
            subject.network.eval(), (example(subject),), dynamic_shapes=(shape,)
        )
    cancel_layouts(program.graph)
    return _without_layout_guards(program)


def cancel_layouts(graph: Graph) -> None:
    """Drop layout changes that the next one undoes: tokens made a map and tokens again.

    Torch gives views, but a runtime copies the map at each transposition.
    """
    aten = torch.ops.aten
    for node in graph.find_nodes(op="call_function", target=aten.flatten.using_ints):
        made = node.args[0]
        split = made.target is aten.unflatten.int and node.args[1:] == (made.args[1],)
        if split and made.meta["val"].dim() == made.args[1] + len(made.args[2]):  # the last axis
            node.replace_all_uses_with(made.args[0])
    for node in graph.find_nodes(op="call_function", target=aten.transpose.int):
        made = node.args[0]
        if made.target is aten.transpose.int and made.args[1:] == node.args[1:]:
            node.replace_all_uses_with(made.args[0])
    graph.eliminate_dead_code()


def _without_layout_guards(program: ExportedProgram) -> ExportedProgram:
    """Tracing a convolution asserts "batch > 1" and the like to foretell memory layouts.

    No operator of the program depends on them; the gate runs batch 1 and 2 at three sizes.
    """
    if hasattr(program, "_guards_code"):
        program._guards_code = []
    return program


@contextmanager
def any_size() -> Iterator[None]:
    """Do not specialise the program on sizes that happen to need no padding or to be contiguous."""
    from torch.fx.experimental import _config as settings

    if not hasattr(
        settings, "backed_size_oblivious"
    ):  # torch < 2.7: the gate shows what comes of it
        yield
        return
    with settings.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        yield


@contextmanager
def naming_failures(name: str) -> Iterator[None]:
    """A failure to trace or convert becomes one line that names the operator."""
    try:
        yield
    except SegkitError:
        raise
    except (RuntimeError, ValueError, TypeError, AssertionError, KeyError) as error:
        operator = failing_operator(error)
        what = (
            f"operator {operator} cannot be exported" if operator else f"{name} cannot be exported"
        )
        raise SegkitError(what, _first_line(error)) from error


def failing_operator(error: BaseException) -> str | None:
    """The operator that an exporter's error message names, "namespace::name"."""
    while error is not None:
        text = str(error)
        match = _NAMED.search(text) or None
        if match:
            return "::".join(match[1].split(".")[:2])
        match = _OPERATOR.search(text)
        if match:
            return f"{match[1]}::{match[2]}"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """The exporters talk a lot about what does not concern the user."""
    import logging

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
