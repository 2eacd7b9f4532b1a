"""Margins of every class and size group, and whether they held on pictures that nobody used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from segkit.engine.certifying.gather import MeasuredPart
from segkit.metrics.conformal import margins
from segkit.metrics.conformal.margins import FORMS, SIDES
from segkit.metrics.intervals import Resampler, mean_figure

SIZES = ("small", "middle", "large")  # by the predicted share: the truth is not known later
GROUP_FACTOR = 2  # times the least: below, a group's margin is its worst picture and jumps about


def size_groups(fit: MeasuredPart) -> dict[str, Any]:
    """Thirds of the predicted size, cut on pictures that take no part in the calibration."""
    share = np.sum(list(fit.shares.values()), axis=0)
    edges = [float(value) for value in np.quantile(share, [1 / 3, 2 / 3])]
    return {"names": list(SIZES), "edges": edges, "of": "predicted share of the picture"}


def margin_rows(
    part: MeasuredPart, groups: dict[str, Any], scale: np.ndarray, alpha: float, delta: float
) -> list[dict[str, Any]]:
    """One row per class and group: the radii of both forms on both sides."""
    return [
        _margin_row(part.chosen(rows), name, group, scale, alpha, delta)
        for name, group, rows in _cells(part, groups)
    ]


def _margin_row(
    part: MeasuredPart, name: str, group: str, scale: np.ndarray, alpha: float, delta: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"class": name, "group": group, "n": len(part)}
    least = margins.least_pictures(min(alpha, delta))
    row["enough"] = len(part) >= (least if group == "all" else GROUP_FACTOR * (least + 1))
    for side in SIDES:
        losses = part.losses[name, side]
        row[side] = {
            form: _finite(margins.radius(losses, scale, form, alpha, delta)) for form in FORMS
        }
    return row


def coverage_rows(
    part: MeasuredPart,
    groups: dict[str, Any],
    table: list[dict[str, Any]],
    scale: np.ndarray,
    alpha: float,
    delta: float,
) -> list[dict[str, Any]]:
    """What the margins did on a part that was not used: with intervals, beside the promise."""
    found = []
    for name, group, rows in _cells(part, groups):
        margin = next(row for row in table if row["class"] == name and row["group"] == group)
        if not margin["enough"] or not rows.any():
            continue
        some = part.chosen(rows)
        for form in FORMS:
            for side in SIDES:
                found.append(
                    _coverage_row(some, name, group, form, side, margin, scale, alpha, delta)
                )
    return found


def _coverage_row(
    part: MeasuredPart,
    name: str,
    group: str,
    form: str,
    side: str,
    margin: dict[str, Any],
    scale: np.ndarray,
    alpha: float,
    delta: float,
) -> dict[str, Any]:
    value = margin[side][form]
    loss = margins.at(part.losses[name, side], scale, math.inf if value is None else value)
    row: dict[str, Any] = {"class": name, "group": group, "form": form, "side": side}
    row |= {"n": len(part), "radius": value}
    if form == "per_picture":
        hits = int(np.count_nonzero(loss <= alpha + 1e-9))
        ends = margins.binomial_interval(hits, len(part))
        return {**row, "value": hits / len(part), "promised": 1 - delta, "ci95": list(ends)}
    held = 1.0 - loss
    low, high = Resampler(len(part), part.groups).interval(mean_figure(held))
    ends_or_none = [_finite(low), _finite(high)]
    return {**row, "value": float(held.mean()), "promised": 1 - alpha, "ci95": ends_or_none}


def _cells(part: MeasuredPart, groups: dict[str, Any]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Class, group and which pictures are in it; the group `all` first."""
    for name, share in part.shares.items():
        yield name, "all", np.ones(len(part), dtype=bool)
        place = np.searchsorted(groups["edges"], share)
        for index, group in enumerate(groups["names"]):
            yield name, group, place == index


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
