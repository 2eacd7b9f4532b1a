"""What a printed interval says of IoU: the interval of mean Dice shows its spread over pictures.

J = D / (2 - D) is convex, and its curvature grows. Among all distributions on 0 to 1 of one mean
and one spread, the mean of J is then largest for two values of which one is 1. Stdlib only.
"""

from __future__ import annotations

import math

from segkit.metrics.auditing.tables import PublishedCell, Row

LEAST = 5  # pictures from which an interval says something of the spread
NORMAL = 1.96
EPSILON = 1e-9


def largest_iou(dice: float, spread: float) -> float:
    """The largest mean IoU of pictures whose Dice has this mean and this standard deviation."""
    rest = 1.0 - dice
    if rest <= 0:
        return 1.0
    other = dice - spread * spread / rest
    if other <= 0:
        return dice  # nothing in between: pictures of 0 and of 1
    weight = rest * rest / (rest * rest + spread * spread)
    return weight * other / (2.0 - other) + 1.0 - weight


def least_dice(iou: float, spread: float) -> float:
    """The smallest mean Dice of pictures whose IoU has this mean and this standard deviation."""
    if iou <= 0:
        return 0.0
    other = iou + spread * spread / iou
    if other >= 1:
        return iou
    weight = iou * iou / (iou * iou + spread * spread)
    return weight * 2.0 * other / (1.0 + other)


def spread_of(cell: PublishedCell, pictures: int | None) -> float | None:
    """The standard deviation over pictures that the interval of a mean allows at most."""
    if cell.interval is None or pictures is None or pictures < LEAST:
        return None
    low, high = cell.interval
    width = high - low + 2 * cell.half
    if not math.isfinite(width) or width < 0:
        return None
    return slack(pictures) * width / (2 * NORMAL) * math.sqrt(pictures)


def slack(pictures: int) -> float:
    """An interval is a draw itself: wide enough for real tables (benchmarks/audit_tables.py)."""
    return 1.02 + 0.6 / math.sqrt(pictures)


def find(row: Row) -> list[str]:
    """Figures that lie outside their own interval, and an IoU that Dice's interval cannot hold."""
    found = [text for cell in row.cells.values() if (text := _outside(cell))]
    dice, iou = row.cells.get("dice"), row.cells.get("iou")
    if found or dice is None or iou is None or row.aggregation == "pooled":
        return found
    return [text for text in (_too_high(row, dice, iou), _too_low(row, dice, iou)) if text][:1]


def _too_high(row: Row, dice: PublishedCell, iou: PublishedCell) -> str:
    spread = spread_of(dice, row.pictures)
    if spread is None:
        return ""
    most = largest_iou(min(1.0, dice.value + dice.half), spread)
    if iou.value - iou.half <= most + EPSILON:
        return ""
    return (
        f"{iou.column} {iou.text} is too high: the interval of {dice.column} {dice.text} over "
        f"{row.pictures} pictures allows {_printed(most, iou)} at most"
    )


def _too_low(row: Row, dice: PublishedCell, iou: PublishedCell) -> str:
    spread = spread_of(iou, row.pictures)
    if spread is None:
        return ""
    least = least_dice(max(0.0, iou.value - iou.half), spread)
    if dice.value + dice.half >= least - EPSILON:
        return ""
    return (
        f"{iou.column} {iou.text} is too high for {dice.column} {dice.text}: with its interval "
        f"over {row.pictures} pictures Dice is {_printed(least, dice)} at least"
    )


def _printed(value: float, like: PublishedCell) -> str:
    return f"{like.scale * value:.{2 if like.scale > 1 else 4}f}"


def _outside(cell: PublishedCell) -> str:
    """A mean lies within its interval."""
    if cell.interval is None or not all(map(math.isfinite, cell.interval)):
        return ""
    low, high = cell.interval
    if low - 2 * cell.half <= cell.value <= high + 2 * cell.half:
        return ""
    return f"{cell.column} {cell.text} lies outside its own interval"
