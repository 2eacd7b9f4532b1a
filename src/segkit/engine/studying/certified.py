"""What certificates promise and kept, as one page: coverage, risk against coverage, deferral."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from segkit.engine import certificate
from segkit.engine.studying import pages

SIDE, HIGH, EDGE = 520, 300, 50
COLOURS = ("#1a5276", "#b9770e", "#117a65", "#922b21")


def study(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the certificates of the runs that the page is about."""
    return [certificate.read(f / certificate.FILE if f.is_dir() else f).document for f in files]


def sentences(made: Sequence[dict[str, Any]]) -> list[str]:
    """What each certificate says of leaving the doubtful tenth to a person."""
    said = []
    for one in made:
        row = next((r for r in one.get("deferral") or [] if r["share"] == 0.1), None)
        if row:
            low, high = (100 * end for end in row["ci95"])
            said.append(
                f"{one['model']} on {one['data']}: leaving the doubtful tenth to a person lifts "
                f"the mean Dice of the others from {row['before']:.4f} to {row['after']:.4f} "
                f"({100 * row['gain']:+.2f} points, 95 %: {low:+.2f} to {high:+.2f})."
            )
    return said


def write(made: Sequence[dict[str, Any]], page: Path, command: str) -> Path:
    """Write the page."""
    blocks = [block for one in made for block in _blocks(one)]
    svg = _curves(
        [(one["model"], one["risk_coverage"]) for one in made if one.get("risk_coverage")]
    )
    title = "Margins and doubt, checked on test pictures"
    return pages.write(page, title, sentences(made), blocks, {f"{page.stem}.svg": svg}, command)


def _blocks(one: dict[str, Any]) -> list[str]:
    many = one["pictures"]
    checked, curve = (one["doubt"] or {}).get("test_part"), one.get("risk_coverage")
    coverage = [
        [
            row["group"],
            row["form"].replace("_", " "),
            row["side"],
            "none" if row["radius"] is None else f"{row['radius']:g}",
            f"{100 * row['promised']:.0f} %",
            f"{100 * row['value']:.1f} %",
            " to ".join("?" if end is None else f"{100 * end:.1f}" for end in row["ci95"]),
            row["n"],
        ]
        for row in one["coverage"]
    ]
    deferred = [
        [
            f"{100 * row['share']:.0f} %",
            f"{row['before']:.4f}",
            f"{row['after']:.4f}",
            f"{100 * row['gain']:+.2f} ({' to '.join(f'{100 * e:+.2f}' for e in row['ci95'])})",
        ]
        for row in one.get("deferral") or []
    ]
    heads = ["group", "form", "margin", one["unit"], "promised", "held", "95 %", "pictures"]
    blocks = [
        f"## {one['model']} on {one['data']}",
        f"alpha {one['alpha']:g}, delta {one['delta']:g}; {many['fit']} pictures to fit on, "
        f"{many['calibration']} to calibrate on, {many['test']} to check on.",
        pages.table(heads, coverage),
    ]
    if checked and curve:
        blocks.append(
            f"Estimated Dice: mean error {checked['mean_error']:.3f}, its "
            f"{100 * one['doubt']['level']:.0f} % interval held {100 * checked['covered']:.1f} % "
            f"({100 * checked['ci95'][0]:.1f} to {100 * checked['ci95'][1]:.1f}). AURC "
            f"{curve['aurc']:.4f}; a perfect order has {curve['aurc_best']:.4f}, a random one "
            f"{curve['aurc_random']:.4f}."
        )
        heads = ["set aside", "Dice of all", "Dice of the others", "points (95 %)"]
        blocks.append(pages.table(heads, deferred))
    return blocks


def _curves(curves: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Risk against coverage, one line each."""
    top = max([risk for _, curve in curves for _, risk in curve["points"]], default=1.0) * 1.05
    parts = [f'<rect width="{SIDE}" height="{HIGH}" fill="#ffffff"/>']
    for step in range(6):
        x = EDGE + step / 5 * (SIDE - EDGE - 20)
        parts.append(_text(x - 8, HIGH - 28, f"{step / 5:.1f}"))
        y = HIGH - EDGE - step / 5 * (HIGH - EDGE - 20)
        parts.append(_text(8, y + 4, f"{top * step / 5:.3f}"))
        parts.append(f'<path d="M{EDGE} {y:.1f}H{SIDE - 20}" stroke="#dddddd"/>')
    for index, (name, curve) in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        dots = [
            f"{EDGE + x * (SIDE - EDGE - 20):.1f},{HIGH - EDGE - y / top * (HIGH - EDGE - 20):.1f}"
            for x, y in curve["points"]
        ]
        line = " ".join(dots)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(EDGE + 12, 34 + 16 * index, name, colour))
    parts.append(
        _text(EDGE, HIGH - 8, "share of pictures kept, surest first; up: mean of 1 - Dice")
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {HIGH}">'
    return "\n".join([head, *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, colour: str = "#333333") -> str:
    style = f'font-size="12" font-family="sans-serif" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'
