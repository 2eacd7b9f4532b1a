"""The charts of the report, drawn by pygal as SVG that takes its colours from the page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pygal
from pygal.style import Style

COLOURS = 7  # --c0 … --c6 in the page's style sheet
NAMED = 4  # more published bubbles than this would write over each other: pointing at one names it
DASHES = ("", "7,3", "2,3", "9,3,2,3")


@dataclass(frozen=True)
class Bubble:
    """A bubble: a network with its cost and score. A published row is drawn hollow."""

    name: str
    gflops: float
    dice: float
    params: float  # millions; NaN if unknown
    published: bool = False
    note: str = ""


@dataclass(frozen=True)
class Series:
    """A named line."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0


def _style(colours: Sequence[int]) -> Style:
    shades = tuple(f"var(--c{index % COLOURS})" for index in colours) or ("var(--c0)",)
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--rule)",
        guide_stroke_color="var(--rule)",
        major_guide_stroke_color="var(--rule)",
        colors=shades,
        value_colors=("var(--ink)",) * len(shades),
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        value_font_size=13,
        value_label_font_size=13,
        title_font_size=14,
        no_data_font_size=16,
        opacity=".75",
        opacity_hover="1",
    )


def _settings(colours: Sequence[int], **extra: Any) -> dict[str, Any]:
    return {
        "style": _style(colours),
        "js": [],
        "disable_xml_declaration": True,
        "show_legend": False,  # the page has its own, in text
        "truncate_label": -1,
        "width": 560,
        "height": 340,
        "margin": 8,
        "dots_size": 3,
        "max_scale": 8,  # guide lines at most
        **extra,
    }


def _svg(chart: Any, name: str) -> str:
    """The chart as inline SVG: no script, no date, a steady id."""
    text = chart.render(is_unicode=True)
    text = re.sub(r"<script.*?</script>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<title>Pygal</title>", "", text)
    text = text.replace(f"chart-{chart.uuid}", f"chart-{name}")
    return text.replace("<svg ", '<svg role="presentation" ', 1)


def bubbles(points: Sequence[Bubble]) -> str:
    """Dice against FLOPs; the area of a bubble is the number of parameters."""
    drawn = [p for p in points if math.isfinite(p.dice) and p.gflops > 0]
    own = [index for index, point in enumerate(drawn) if not point.published]
    colours = [own.index(i) if i in own else COLOURS - 1 for i in range(len(drawn))]
    logs = [math.log10(point.gflops) for point in drawn]
    ticks = _log_ticks(logs)
    chart = pygal.XY(
        **_settings(
            colours,
            stroke=False,
            print_labels=True,
            x_title="GFLOPs per picture (2 × MACs + scan; logarithmic)",
            y_title="Dice per image",
            x_labels=ticks,
            xrange=(min([*logs, *ticks], default=0) - 0.15, max([*logs, *ticks], default=1) + 0.35),
            range=_room([point.dice for point in drawn]),
            x_value_formatter=lambda x: f"{10**x:.3g}",
            value_formatter=lambda y: f"{y:.3f}",
        )
    )
    crowded = len(drawn) - len(own) > NAMED
    for point, log in zip(drawn, logs, strict=True):
        chart.add(point.name, [_bubble(point, log, named=not (crowded and point.published))])
    return _svg(chart, "bubbles")


def title_of(point: Bubble) -> str:
    """The name under which a bubble is shown."""
    return f"{point.name} (published)" if point.published else point.name


def _bubble(point: Bubble, log: float, named: bool) -> dict[str, Any]:
    radius = 4 + 3.2 * math.sqrt(point.params) if math.isfinite(point.params) else 4
    look = (
        "fill:none;stroke-width:2;stroke-dasharray:3,2" if point.published else "fill-opacity:.55"
    )
    cost = f"{point.gflops:.3g} GFLOPs, {point.params:.2f} M parameters"
    return {
        "value": (log, point.dice),
        "label": title_of(point) if named else "",
        "node": {"r": min(radius, 34), "style": look},
        "formatter": lambda _: f"Dice {point.dice:.4f}, {cost}{point.note}",
    }


def _log_ticks(logs: Sequence[float]) -> list[float]:
    """1, 2, 5 in each decade that the values touch."""
    if not logs:
        return [0.0]
    # a hair above the power of ten: pygal would draw a second axis through 0, at 1 GFLOP
    steps = [math.log10(m) + d + 1e-9 for d in range(-4, 6) for m in (1, 2, 5)]
    low, high = min(logs), max(logs)
    inside = [step for step in steps if low - 0.32 <= step <= high + 0.32]
    return inside if len(inside) <= 9 else [s for s in inside if abs(s - round(s)) < 1e-6]


def _room(values: Sequence[float], low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
    """An axis with some room around the values, inside what is possible."""
    if not values:
        return low, high
    space = max(0.02, (max(values) - min(values)) * 0.25)
    return max(low, min(values) - space), min(high, max(values) + space)


def lines(
    series: Sequence[Series],
    name: str,
    x_title: str,
    y_title: str,
    dots: bool = False,
    **extra: Any,
) -> str:
    """Curves over a common axis; the dash pattern tells series apart as well as the colour does."""
    chart = pygal.XY(
        **_settings(
            [one.colour for one in series],
            show_dots=dots,
            x_title=x_title,
            y_title=y_title,
            value_formatter=_short,
            x_value_formatter=_short,
            include_x_axis=False,
            **{"x_labels": _whole_ticks(series), **extra},
        )
    )
    for one in series:
        style = {
            "width": 2.2,
            "dasharray": DASHES[(one.colour // COLOURS + one.colour) % len(DASHES)],
        }
        finite = [(x, y) for x, y in one.points if math.isfinite(x) and math.isfinite(y)]
        chart.add(one.name, finite, stroke_style=style)
    return _svg(chart, name)


def _whole_ticks(series: Sequence[Series]) -> list[float]:
    """At most eight whole numbers along the axis: epochs are not halved."""
    values = [x for one in series for x, _ in one.points if math.isfinite(x)]
    low, high = int(min(values, default=0)), int(max(values, default=1))
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if (high - low) / s <= 8)
    return [float(x) for x in range(-(-low // step) * step, high + 1, step)]


def calibration(series: Sequence[Series]) -> str:
    """How often a pixel called p % foreground is foreground; the diagonal is perfect."""
    diagonal = Series("perfect", [(0, 0), (1, 1)], COLOURS - 1)
    return lines(
        [*series, diagonal],
        "calibration",
        "predicted probability",
        "observed share of foreground",
        dots=True,
        xrange=(0, 1),
        range=(0, 1),
        x_labels=[0, 0.2, 0.4, 0.6, 0.8, 1],
        y_labels=[0, 0.2, 0.4, 0.6, 0.8, 1],
    )


def distribution(series: Sequence[tuple[str, Sequence[float], int]], bins: int = 10) -> str:
    """How many of the pictures score how well: share of the cases per tenth of Dice."""
    chart = pygal.Bar(
        **_settings(
            [colour for _, _, colour in series],
            x_title="Dice of the picture (0.9+: from 0.9 to 1)",
            y_title="share of pictures",
            value_formatter=lambda y: f"{y:.0%}",
            include_x_axis=True,
            rounded_bars=2,
        )
    )
    chart.x_labels = [f"{i / bins:.1f}+" for i in range(bins)]
    for name, values, _ in series:
        chart.add(name, shares(values, bins))
    return _svg(chart, "distribution")


def shares(values: Sequence[float], bins: int = 10) -> list[float]:
    """The share of the values in each of `bins` equal parts of [0, 1]; 1.0 is in the last."""
    counts = [0] * bins
    finite = [value for value in values if math.isfinite(value)]
    for value in finite:
        counts[min(bins - 1, max(0, int(value * bins)))] += 1
    return [count / max(1, len(finite)) for count in counts]


def _short(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
