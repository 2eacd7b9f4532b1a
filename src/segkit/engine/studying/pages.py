"""What every study hands over: rows with intervals, a few sentences, a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from segkit import paths

LEFT, WIDTH, LINE = 250, 720, 26


@dataclass(frozen=True)
class Bar:
    """A figure with its interval; `mark` is drawn as a cross: a published figure."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    mark: bool = False


def intervals(bars: Sequence[Bar], title: str) -> str:
    """One line each: a dot (a cross for a published figure) on its interval. SVG, no library."""
    ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = 0.06 * (high - low or 1.0)

    def x(value: float) -> float:
        return LEFT + (value - low + room) / (high - low + 2 * room) * (WIDTH - LEFT - 70)

    parts = [_words(8, 16, title, "bold")]
    for number, bar in enumerate(bars):
        y = LINE * (number + 1.5)
        parts.append(_words(8, y + 4, bar.label))
        if bar.low is not None and bar.high is not None:
            parts.append(_line(x(bar.low), y, x(bar.high), y, "#7fb3d5"))
        parts += _mark(x(bar.value), y, bar.mark)
        parts.append(_words(WIDTH - 60, y + 4, f"{bar.value:.4f}"))
    height = LINE * (len(bars) + 1.5)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}">'
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])


def _mark(x: float, y: float, cross: bool) -> list[str]:
    if not cross:
        return [f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="#1a5276"/>']
    ends = ((-5, -5, 5, 5), (-5, 5, 5, -5))
    return [_line(x + a, y + b, x + c, y + d, "#b9770e") for a, b, c, d in ends]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="3"/>'


def _words(x: float, y: float, text: str, weight: str = "normal") -> str:
    style = f'font-size="12" font-family="sans-serif" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(
    page: Path,
    title: str,
    sentences: Sequence[str],
    blocks: Sequence[str],
    pictures: dict[str, str],
    command: str,
) -> Path:
    """The page; pictures (name -> SVG) go beside it and are shown after the sentences."""
    for name, svg in pictures.items():
        paths.write_text(page.parent / name, svg)
    shown = [f"![{title}]({name})" for name in pictures]
    made = f"Made by `{command}`." if command else ""
    text = [f"# {title}", " ".join(sentences), *shown, *blocks, made]
    return paths.write_text(page, "\n\n".join(filter(None, text)) + "\n")


def spread(value: float, ends: Sequence[float | None] | None, digits: int = 4) -> str:
    """`0.8510 (0.8376 to 0.8625)`."""
    if not ends or ends[0] is None or ends[1] is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
