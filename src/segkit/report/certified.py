"""The report's section on what is promised: margins, coverage, risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segkit.engine import certificate
from segkit.errors import SegkitError
from segkit.report import charts
from segkit.report.reading import Entry

FORMS = {"expectation": "on average", "per_picture": "for each picture"}


def section(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Tables in the manner of the slices, sentences and a chart; None if no run says anything."""
    found = [(entry, certificate.find(entry.run.path)) for entry in entries]
    certified = [(entry, one) for entry, one in found if one is not None]
    chart = _chart(entries, certified)
    if not certified and chart is None:
        return None
    return {
        "sentence": "How far the outlines can be off, and whether the network knows when it errs.",
        "tables": [_table(entry, one) for entry, one in certified],
        "notes": [line for entry, one in certified for line in _lines(entry, one)],
        "charts": [chart] if chart else [],
    }


def _table(entry: Entry, one: certificate.Certificate) -> dict[str, Any]:
    document = one.document
    rows = [
        {
            "name": f"{row['class']}, {row['group']}: {row['side']} margin {_px(row['radius'])}",
            "cells": [
                FORMS[row["form"]],
                f"{100 * row['promised']:.0f} %",
                f"{100 * row['value']:.1f} %",
                " to ".join("?" if end is None else f"{100 * end:.1f}" for end in row["ci95"]),
                str(row["n"]),
            ],
        }
        for row in document["coverage"]
    ]
    caption = (
        f"{entry.label}: alpha {document['alpha']:g}, delta {document['delta']:g}, in "
        f"{document['unit']}"
    )
    columns = ["Form", "Promised", "Held", "95 % interval", "Pictures"]
    return {"caption": caption, "corner": "Margin", "columns": columns, "rows": rows}


def _px(value: float | None) -> str:
    return "none" if value is None else f"{value:g} px"


def _lines(entry: Entry, one: certificate.Certificate) -> list[str]:
    stale = certificate.stale(one, entry.run.path)
    if stale:
        return [f"{entry.label}: {stale}. Run segkit certify again."]
    return [
        f"{entry.label}: with {100 * row['share']:.0f} % of the pictures left to a person, the "
        f"mean Dice of the others is {row['after']:.4f} instead of {row['before']:.4f} "
        f"({100 * row['gain']:+.2f} points, 95 %: {100 * row['ci95'][0]:+.2f} to "
        f"{100 * row['ci95'][1]:+.2f})."
        for row in one.document.get("deferral") or []
    ]


def _chart(
    entries: Sequence[Entry], certified: Sequence[tuple[Entry, certificate.Certificate]]
) -> dict[str, Any] | None:
    """Mean error of the pictures kept against their share, by whatever estimate there is."""
    fitted = {entry.label: one.document.get("risk_coverage") for entry, one in certified}
    series, areas = [], []
    for index, entry in enumerate(entries):
        curve = fitted.get(entry.label) or _plain(entry)
        if curve:
            series.append(charts.Series(entry.label, [tuple(p) for p in curve["points"]], index))
            areas.append(
                f"{entry.label}: AURC {curve['aurc']:.4f} (perfect order {curve['aurc_best']:.4f}, "
                f"random {curve['aurc_random']:.4f})"
            )
    if not series:
        return None
    return {
        "title": "Risk against coverage",
        "svg": charts.lines(
            series,
            "risk-coverage",
            "share of pictures kept, surest first",
            "mean of 1 - Dice",
            x_labels=[0, 0.2, 0.4, 0.6, 0.8, 1],
        ),
        "series": [(one.name, one.colour % charts.COLOURS) for one in series],
        "names": [one.name for one in series],
        "summary": "; ".join(areas),
        "caption": "Lower is better; a curve that rises to the right knows its failures. "
        + "; ".join(areas)
        + ".",
    }


def _plain(entry: Entry) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = entry.summary.get("risk_coverage")
    except SegkitError:
        return None
    return found
