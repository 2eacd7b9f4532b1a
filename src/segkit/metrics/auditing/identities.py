"""What overlap scores must obey, whatever was predicted; each figure is an interval of its
rounding.

Per image J = D / (2 - D). Pooled figures obey it as they stand. The function is convex, so means
over images give J >= D / (2 - D), and J <= D. In the same way D <= 2 P R / (P + R) for means, with
equality when pooled; and D >= P + R - 1. Stdlib only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

from segkit.metrics.auditing import spread as spreads
from segkit.metrics.auditing.headers import IMAGE, POOLED
from segkit.metrics.auditing.tables import PublishedCell, Row

EPSILON = 1e-9
EVEN = 0.3  # a spread over images below this share of 1 - D is smaller than networks show
UNEVEN = 0.5  # ... and above this one larger than folds of pooled figures show
SLACK = 3.0  # roundings by which the implied prevalence may be off: pooled over folds is not exact
FOLDS = 0.007  # how far below 2PR / (P + R) the mean over folds of pooled Dice may lie
BLUR = 0.0005  # rounding above which an equality says nothing
FEW = 8  # pictures below which means over images may be as even as pooled figures
WIDE = 0.05  # spread over images above which precision and recall differ visibly
Interval = tuple[float, float]


@dataclass(frozen=True)
class Judged:
    """What the arithmetic says of a row."""

    row: Row
    verdict: str  # pooled | per-image | impossible | undecided
    findings: tuple[str, ...]
    spread: float | None = None  # implied spread of Dice over images (or folds), as a share of 1
    prevalence: Interval | None = None  # implied share of true foreground (pooled rows)


def iou_of_dice(dice: float) -> float:
    """J of one matrix."""
    return dice / (2.0 - dice)


def harmonic(precision: float, recall: float) -> float:
    """D of one matrix."""
    both = precision + recall
    return 2.0 * precision * recall / both if both else 0.0


def judge(row: Row) -> Judged:
    """Check every identity that the row's figures allow."""
    findings = [*_range(row), *_bounds(row)] or spreads.find(row)
    impossible = bool(findings)
    verdict, spread = _aggregation(row)
    extra = [] if impossible else _contradictions(row, verdict, spread)
    if impossible:
        verdict = "impossible"
    prevalence = _prevalence(row) if verdict == "pooled" else None
    return Judged(row, verdict, (*findings, *extra), spread, prevalence)


def _range(row: Row) -> list[str]:
    return [
        f"{cell.column} {cell.text} is outside 0 to 1"
        for cell in row.cells.values()
        if not -cell.half - EPSILON <= cell.value <= 1 + cell.half + EPSILON
    ]


def _bounds(row: Row) -> list[str]:
    """Bounds that hold for pooled figures and for means over images alike."""
    get = row.cells.get
    dice, iou, pre, sen = get("dice"), get("iou"), get("pre"), get("sen")
    found: list[str | None] = []
    if dice and iou:
        found.append(_least(iou, iou_of_dice, (dice,), "Dice / (2 - Dice)"))
        found.append(_most(iou, lambda d: d, (dice,), "Dice"))
    if dice and pre and sen:
        found.append(_most(dice, harmonic, (pre, sen), "2PR / (P + R)"))
        found.append(_least(dice, lambda p, r: p + r - 1, (pre, sen), "P + R - 1"))
    elif dice and pre:
        found.append(_most(dice, lambda p: harmonic(p, 1.0), (pre,), "2P / (1 + P)"))
    elif dice and sen:
        found.append(_most(dice, lambda r: harmonic(1.0, r), (sen,), "2R / (1 + R)"))
    if iou and pre:
        found.append(_most(iou, lambda p: p, (pre,), "precision"))
    if iou and sen:
        found.append(_most(iou, lambda r: r, (sen,), "recall"))
    if iou and pre and sen:
        found.append(_least(iou, lambda p, r: p + r - 1, (pre, sen), "P + R - 1"))
    return [text for text in found if text]


def _most(
    cell: PublishedCell, formula: Callable[..., float], of: tuple[PublishedCell, ...], label: str
) -> str | None:
    high = corners(formula, of)[1]
    if cell.value - cell.half <= high + EPSILON:
        return None
    return f"{cell.column} {cell.text} exceeds {label} = {_as_printed(cell, formula, of)}"


def _least(
    cell: PublishedCell, formula: Callable[..., float], of: tuple[PublishedCell, ...], label: str
) -> str | None:
    low = corners(formula, of)[0]
    if cell.value + cell.half >= low - EPSILON:
        return None
    return f"{cell.column} {cell.text} is below {label} = {_as_printed(cell, formula, of)}"


def _as_printed(
    cell: PublishedCell, formula: Callable[..., float], of: tuple[PublishedCell, ...]
) -> str:
    """The value of the formula on the scale of the cell."""
    decimals = 2 if cell.scale > 1 else 4
    return f"{cell.scale * formula(*(one.value for one in of)):.{decimals}f}"


def corners(formula: Callable[..., float], cells: tuple[PublishedCell, ...]) -> Interval:
    """The range of a monotone formula over the rounding intervals of its figures."""
    return _corners(formula, cells, 1.0)


def _corners(
    formula: Callable[..., float], cells: tuple[PublishedCell, ...], width: float
) -> Interval:
    ends = [(cell.value - width * cell.half, cell.value + width * cell.half) for cell in cells]
    values = [formula(*corner) for corner in product(*ends)]
    return min(values), max(values)


def _aggregation(row: Row) -> tuple[str, float | None]:
    """Pooled or per image, and the spread over images that the pair implies."""
    dice, iou = row.cells.get("dice"), row.cells.get("iou")
    if not dice or not iou:
        return _aggregation_without_iou(row), None
    if dice.value > 1 + dice.half or iou.value > 1 + iou.half:
        return "undecided", None  # no shares of 1: found elsewhere
    low, high = corners(iou_of_dice, (dice,))
    curvature = 4.0 / (2.0 - dice.value) ** 3
    blur = (high - low) / 2 + iou.half
    excess = iou.value - iou_of_dice(dice.value)
    spread = math.sqrt(2.0 * max(excess, 0.0) / curvature)
    smallest = EVEN * (1.0 - dice.value)
    if low - iou.half - EPSILON <= iou.value <= high + iou.half + EPSILON:
        visible = math.sqrt(2.0 * blur / curvature) < smallest
        return ("pooled" if visible else "undecided"), spread
    return ("per-image" if spread >= UNEVEN * (1.0 - dice.value) else "undecided"), spread


def _aggregation_without_iou(row: Row) -> str:
    get = row.cells.get
    dice, pre, sen = get("dice"), get("pre"), get("sen")
    if dice and pre and sen:
        low, high = corners(harmonic, (pre, sen))
        return "pooled" if dice.value + dice.half >= low and dice.value <= high else "per-image"
    acc, spe = get("acc"), get("spe")
    if acc and sen and spe and not _between(acc, sen, spe):
        return "per-image"
    return "undecided"


def _between(acc: PublishedCell, sen: PublishedCell, spe: PublishedCell) -> bool:
    low = min(sen.value - sen.half, spe.value - spe.half)
    high = max(sen.value + sen.half, spe.value + spe.half)
    return low <= acc.value + acc.half and acc.value - acc.half <= high


def _contradictions(row: Row, verdict: str, spread: float | None) -> list[str]:
    """Figures of one row that cannot come from one aggregation."""
    get = row.cells.get
    dice, iou, pre, sen = get("dice"), get("iou"), get("pre"), get("sen")
    acc, mae, spe = get("acc"), get("mae"), get("spe")
    found = []
    if acc and mae and abs(acc.value + mae.value - 1) > acc.half + mae.half + EPSILON:
        found.append(
            f"{acc.column} {acc.text} and {mae.column} {mae.text} do not add up to 1: "
            "not the same masks, grid or aggregation"
        )
    if dice and iou and pre and sen:
        low, high = corners(harmonic, (pre, sen))
        equal = low - dice.half <= dice.value <= high + dice.half
        if verdict == "pooled" and dice.value + dice.half < low - FOLDS:
            found.append("Dice and IoU are pooled, precision and recall are not")
        fine = high - low + 2 * dice.half < BLUR
        if verdict == "per-image" and equal and fine and (spread or 0.0) > WIDE:
            found.append("Dice and IoU are per image, but Dice is exactly 2PR / (P + R)")
    if row.aggregation == POOLED and verdict == IMAGE:
        found.append(f"{_named(row)} stand under 'pooled', but are means over images")
    if row.aggregation == IMAGE and verdict == POOLED and (row.pictures or FEW) >= FEW:
        found.append(f"{_named(row)} stand under 'per image', but are pooled")
    if verdict == "pooled" and acc and sen and spe and not _between(acc, sen, spe):
        found.append("pooled accuracy lies outside sensitivity and specificity")
    return found


def _named(row: Row) -> str:
    return " and ".join(
        row.cells[name].text for name in ("dice", "iou", "pre") if name in row.cells
    )


def _prevalence(row: Row) -> Interval | None:
    """The share of true foreground that pooled figures imply; None where they say nothing."""
    get = row.cells.get
    wrong = _wrong(row)
    dice, pre, sen, spe, acc = get("dice"), get("pre"), get("sen"), get("spe"), get("acc")
    if acc and sen and spe and abs(sen.value - spe.value) > 4 * (sen.half + spe.half):
        return _clipped(_corners(lambda a, s, p: (a - p) / (s - p), (acc, sen, spe), SLACK))
    if wrong and pre and sen:
        return _clipped(_corners(_share_from_errors, (wrong, pre, sen), SLACK))
    if wrong and dice and dice.value < 1 - dice.half:
        low = _corners(lambda w, d: d * w / (2 * (1 - d)), (wrong, dice), SLACK)[0]
        high = _corners(lambda w, d: (2 - d) * w / (2 * (1 - d)), (wrong, dice), SLACK)[1]
        return _clipped((low, high))
    return None


def _wrong(row: Row) -> PublishedCell | None:
    """The share of wrong pixels: MAE, or 1 - accuracy."""
    mae, acc = row.cells.get("mae"), row.cells.get("acc")
    if mae or not acc:
        return mae
    return replace(acc, value=1 - acc.value)


def _share_from_errors(wrong: float, precision: float, recall: float) -> float:
    per_true = (1 - recall) + recall * (1 / max(precision, 1e-9) - 1)
    return wrong / max(per_true, 1e-9)


def _clipped(ends: Interval) -> Interval:
    return max(0.0, ends[0]), min(1.0, ends[1])
