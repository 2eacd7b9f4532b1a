"""A picture of cost as plain SVG: FLOPs against time or parameters, circles by weights.

Networks that no other beats on both axes lie on the drawn line (the Pareto front).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from segkit import paths
from segkit.errors import UsageError

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 90, 40, 56, 70
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#be185d", "#0f766e", "#a16207", "#475569")


def draw(documents: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write the picture of several profiles to an SVG file."""
    if path.suffix.lower() != ".svg":
        raise UsageError(f"--plot {path}", "the picture is written as .svg")
    return paths.write_text(path, svg(documents))


def svg(documents: Sequence[dict[str, Any]]) -> str:
    """The picture: x GFLOPs, y milliseconds if all were measured, else million parameters."""
    timed = all(document["latency_ms"] for document in documents)
    unit = "median latency, ms" if timed else "parameters, million"
    points = [(document["flops"] / 1e9, _height_of(document, timed)) for document in documents]
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    upward = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [_head(documents, timed), *_grid(across, upward), _labels(unit)]
    parts.append(_front(points, across, upward))
    for index, (document, point) in enumerate(zip(documents, points, strict=True)):
        parts.append(_circle(document, point, across, upward, COLOURS[index % len(COLOURS)]))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _height_of(document: dict[str, Any], timed: bool) -> float:
    return document["latency_ms"]["median"] if timed else document["params"] / 1e6


class _Axis:
    """A logarithmic axis from `start` to `end` in pixels, with room around the values."""

    def __init__(self, values: Sequence[float], start: float, end: float):
        logs = [math.log10(max(value, 1e-6)) for value in values]
        self.low, self.high = min(logs) - 0.25, max(logs) + 0.25
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(max(value, 1e-6)) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        exponents = range(math.floor(self.low), math.ceil(self.high) + 1)
        every = [m * 10.0**e for e in exponents for m in (1, 2, 5)]
        return [tick for tick in every if self.low <= math.log10(tick) <= self.high]


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats on both axes (lower is better), from the left."""
    best: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def _head(documents: Sequence[dict[str, Any]], timed: bool) -> str:
    where = documents[0]["latency_ms"]["device"] if timed else "counted, not measured"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#1f2937">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="600">Cost of one forward pass</text>'
        f'<text x="{WIDTH - RIGHT}" y="28" text-anchor="end" fill="#6b7280">{escape(where)}</text>'
    )


def _grid(across: _Axis, upward: _Axis) -> list[str]:
    lines = []
    for tick in across.ticks():
        x = across.at(tick)
        lines.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>')
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" {_MIDDLE}>{tick:g}</text>')
    for tick in upward.ticks():
        y = upward.at(tick)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    return lines


_MIDDLE = 'text-anchor="middle"'


def _labels(unit: str) -> str:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 22}" {_MIDDLE}>'
        "GFLOPs (2 · MACs + scan), log scale; circle area: weights</text>\n"
        f'<text transform="translate(26 {middle}) rotate(-90)" {_MIDDLE}>{unit}, log scale</text>'
    )


def _front(points: Sequence[tuple[float, float]], across: _Axis, upward: _Axis) -> str:
    joined = " ".join(f"{across.at(x):.1f},{upward.at(y):.1f}" for x, y in pareto(points))
    return f'<polyline points="{joined}" fill="none" stroke="#9ca3af" stroke-dasharray="4 4"/>'


def _circle(
    document: dict[str, Any], point: tuple[float, float], across: _Axis, upward: _Axis, colour: str
) -> str:
    x, y = across.at(point[0]), upward.at(point[1])
    radius = min(34.0, max(5.0, 4 * math.sqrt(document["weights_mb"])))
    name = escape(document["architecture"])
    size = "×".join(str(side) for side in document["input"][2:])
    anchor, shift = ("end", -radius - 5) if x > WIDTH - 190 else ("start", radius + 5)
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.55" '
        f'stroke="{colour}"><title>{name} {size}: {point[0]:.3g} GFLOPs</title></circle>\n'
        f'<text x="{x + shift:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{name} '
        f'<tspan fill="#6b7280">{size}</tspan></text>'
    )
