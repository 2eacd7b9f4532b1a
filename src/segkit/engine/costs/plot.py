"""A picture of cost as plain SVG: FLOPs against time or parameters, circles by weights.

Networks that no other beats on both axes lie on the drawn line (the Pareto front).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from segkit import paths
from segkit.errors import UsageError

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 90, 40, 56, 70
SMALL, LARGE = 4.0, 24.0  # radii
LETTER, LINE = 7.8, 15.0  # width of a letter and height of a line, on the safe side
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#be185d", "#0f766e", "#a16207", "#475569")


def check_name(path: Path | None) -> None:
    """Refuse a file name that cannot hold the picture, before anything is measured."""
    if path is not None and path.suffix.lower() != ".svg":
        raise UsageError(f"--plot {path}", "the picture is written as .svg")


def draw(documents: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write the picture of several profiles to an SVG file."""
    check_name(path)
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
    most = max(document["weights_mb"] for document in documents)
    circles = []
    for document, (x, y) in zip(documents, points, strict=True):
        radius = max(SMALL, LARGE * math.sqrt(document["weights_mb"] / most))
        circles.append(_Circle(across.at(x), upward.at(y), radius))
    order = sorted(range(len(circles)), key=lambda i: -circles[i].radius)  # small ones on top
    parts += [_disc(documents[i], circles[i], COLOURS[i % len(COLOURS)]) for i in order]
    places = _places(circles, [_label(document, documents) for document in documents])
    for place, document, circle in zip(places, documents, circles, strict=True):
        parts.append(_text(_label(document, documents), place, circle))
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True)
class _Circle:
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class _Box:
    """A rectangle by its left upper corner."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: _Box) -> float:
        """The area that both cover."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, across) * max(0.0, down)


def _label(document: dict[str, Any], documents: Sequence[dict[str, Any]]) -> str:
    """The name, with the size where the sizes differ."""
    name = str(document["architecture"])
    return name if len({_size(other) for other in documents}) == 1 else f"{name} {_size(document)}"


def _size(document: dict[str, Any]) -> str:
    return "×".join(str(side) for side in document["input"][2:])


def _places(circles: Sequence[_Circle], labels: Sequence[str]) -> list[_Box]:
    """A box for each label: the place round its circle that covers least of all else."""
    discs = [_Box(c.x - c.radius, c.y - c.radius, 2 * c.radius, 2 * c.radius) for c in circles]
    taken: dict[int, _Box] = {}
    for index in sorted(range(len(circles)), key=lambda i: circles[i].radius):
        others = [disc for i, disc in enumerate(discs) if i != index] + list(taken.values())
        boxes = _round(circles[index], LETTER * len(labels[index]))

        def covered(box: _Box, others: list[_Box] = others) -> float:
            outside = LINE * (max(0.0, LEFT - box.x) + max(0.0, box.x + box.width - WIDTH))
            return outside + sum(box.overlap(other) for other in others)

        taken[index] = min(boxes, key=covered)
    return [taken[index] for index in range(len(circles))]


def _round(circle: _Circle, width: float) -> list[_Box]:
    """Places round a circle, the preferred ones first: beside, above, below, then farther off."""
    boxes = []
    for away in (4.0, 18.0, 34.0, 52.0):
        reach = circle.radius + away
        for degrees in (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202):
            turn = math.radians(degrees)
            x, y = circle.x + reach * math.cos(turn), circle.y - reach * math.sin(turn)
            left = x - width * (1 - math.cos(turn)) / 2
            top = y - LINE * (1 + math.sin(turn)) / 2
            boxes.append(_Box(left, top, width, LINE))
    return boxes


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
    sizes = {_size(document) for document in documents}
    where = f"{sizes.pop()}, {where}" if len(sizes) == 1 else where
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


def _disc(document: dict[str, Any], circle: _Circle, colour: str) -> str:
    title = f"{escape(document['architecture'])} {_size(document)}: {document['flops'] / 1e9:.3g}"
    return (
        f'<circle cx="{circle.x:.1f}" cy="{circle.y:.1f}" r="{circle.radius:.1f}" fill="{colour}" '
        f'fill-opacity="0.5" stroke="{colour}"><title>{title} GFLOPs</title></circle>'
    )


def _text(label: str, box: _Box, circle: _Circle) -> str:
    """The label, with a thin line to its circle where it stands apart from it."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    near_x = min(max(circle.x, box.x), box.x + box.width)
    near_y = min(max(circle.y, box.y), box.y + box.height)
    gap = math.hypot(near_x - circle.x, near_y - circle.y) - circle.radius
    line = ""
    if gap > 8:
        line = (
            f'<path d="M{circle.x:.1f} {circle.y:.1f}L{near_x:.1f} {near_y:.1f}" '
            'stroke="#9ca3af" stroke-width="0.7"/>'
        )
    return (
        f'{line}<text x="{x:.1f}" y="{y + 4:.1f}" {_MIDDLE} stroke="#ffffff" stroke-width="3" '
        f'stroke-opacity="0.75" paint-order="stroke">{escape(label)}</text>'
    )
