"""Rows of a table against each other: mixed aggregations, impossible pixels, copies, outliers.

Only rows of one dataset and one aggregation are held against each other. Stdlib only.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from segkit.metrics.auditing.headers import POOLED
from segkit.metrics.auditing.identities import EVEN, Judged, iou_of_dice
from segkit.metrics.auditing.tables import Row

APART = 0.05  # means over folds of pooled figures imply shares that differ by less than this
LEAST_ROWS = 5  # rows that an implied spread is compared with
NEAR = 0.005  # how far beyond the Dice of the other rows they still tell of a row
WIDE = 0.06  # a range of Dice beyond which networks are no peers, and IoU is no line
FLAT = 0.01  # a range of Dice in which no slope can be seen
ENOUGH = 30  # pictures from which networks are alike in how IoU follows Dice
CLOSE = 0.004  # points of IoU, as a share, within which peers must agree with their line
OUTLIER = 5.0  # how many times further from that line than any of them a row must be
STEEP = (1.0, 2.4)  # what a slope of IoU over Dice can be among good networks
VISIBLE = 0.015  # points of IoU, as a share, below which nobody calls it an error
INEXACT = 0.002  # points of IoU, as a share, off the pooled identity
EXACT = 4  # rows that obey the pooled identity, so that one that does not is an error


def table_findings(judged: Sequence[Judged]) -> list[str]:
    """What the rows say about each other."""
    findings = []
    for data, how in dict.fromkeys((one.row.data, one.row.aggregation) for one in judged):
        group = [one for one in judged if (one.row.data, one.row.aggregation) == (data, how)]
        label = f"{data}: " if data else ""
        findings += [label + text for text in _group_findings(group)]
    findings += _same_figures(judged)
    return findings + _rows_that_change(judged) + _table_wide(judged)


def _group_findings(group: Sequence[Judged]) -> list[str]:
    return [
        *_mixed(group),
        *_too_even(group),
        *_outliers(group),
        *_inexact(group),
        *_prevalences(group),
        *_repeated(group),
    ]


def _mixed(group: Sequence[Judged]) -> list[str]:
    """Pooled and per-image rows in one ranking."""
    pooled = [one.row.name for one in group if one.verdict == "pooled"]
    image = [one.row.name for one in group if one.verdict == "per-image"]
    if not pooled or not image:
        return []
    few, many, other = (pooled, image, "per-image")
    return [
        f"{', '.join(few)} {_are(few)} pooled, {_listed(many)} {_are(many)} {other}: "
        "the rows are not comparable"
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"the {len(names)} others"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _too_even(group: Sequence[Judged]) -> list[str]:
    """Rows that nearly obey the pooled identity while the others are far from it."""
    ratios = {one.row.name: _ratio(one) for one in group if one.spread is not None}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    if len(known) < LEAST_ROWS or statistics.median(known) <= 3 * EVEN:
        return []
    limit = statistics.median(known) / 3
    median = statistics.median(one.spread for one in group if one.spread is not None)
    found = []
    for one in group:
        ratio = ratios.get(one.row.name)
        even = ratio is not None and ratio < limit and (one.spread or 0) < median / 3
        if one.verdict == "undecided" and even:
            found.append(
                f"{one.row.name} nearly obeys the pooled identity (implied spread "
                f"{100 * (one.spread or 0):.1f} points, the other rows' median is "
                f"{100 * median:.1f}): it looks pooled per fold, the others per image"
            )
    return found


def _ratio(one: Judged) -> float | None:
    dice = one.row.cells.get("dice")
    return None if dice is None or one.spread is None else one.spread / max(1 - dice.value, 1e-6)


def _prevalences(group: Sequence[Judged]) -> list[str]:
    """Pooled rows on the same pixels imply the same share of true foreground."""
    known = [(one.row.name, one.prevalence) for one in group if one.prevalence is not None]
    found = []
    for i, (name, ends) in enumerate(known):
        for other, others in known[:i]:
            gap = max(ends[0] - others[1], others[0] - ends[1])
            if gap > APART * max(ends[1], others[1]):
                found.append(
                    f"{other} and {name} cannot be on the same pixels: the figures imply "
                    f"{_percent(others)} and {_percent(ends)} of true foreground"
                )
    return found


def _percent(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def _outliers(group: Sequence[Judged]) -> list[str]:
    """A row whose IoU does not fit its Dice as that of the other rows does, who agree closely."""
    known = [
        one
        for one in group
        if one.verdict in ("per-image", "undecided")
        and one.spread
        and (one.row.pictures or ENOUGH) >= ENOUGH
    ]
    found = []
    for one in known:
        own, others = _pair(one), [_pair(other) for other in known if other is not one]
        if len(others) < LEAST_ROWS or not _within(own[0], [dice for dice, _ in others]):
            continue
        slope, level, scatter = _line(others)
        gap = own[1] - level - slope * own[0]
        agree = scatter < CLOSE and STEEP[0] < slope < STEEP[1]
        if agree and abs(gap) > max(VISIBLE, OUTLIER * scatter):
            way = "too high" if gap > 0 else "too low"
            dice, iou = one.row.cells["dice"], one.row.cells["iou"]
            found.append(
                f"{one.row.name}: IoU {iou.text} is {way} for Dice {dice.text}, by about "
                f"{100 * abs(gap):.1f} points, as the other rows have it"
            )
    return found


def _pair(one: Judged) -> tuple[float, float]:
    return one.row.cells["dice"].value, one.row.cells["iou"].value


def _within(dice: float, others: Sequence[float]) -> bool:
    """Whether rows tell of this one: it lies among them, or near."""
    return min(others) - NEAR <= dice <= max(others) + NEAR and max(others) - min(others) <= WIDE


def _line(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Slope and level of IoU over Dice, and the largest distance of a row from that line."""
    dice, iou = [d for d, _ in pairs], [j for _, j in pairs]
    centre, middle = statistics.mean(dice), statistics.mean(iou)
    spread = sum((d - centre) ** 2 for d in dice)
    slope = 2.0 / (2.0 - centre) ** 2  # of Dice / (2 - Dice), where the rows are too near to tell
    if max(dice) - min(dice) > FLAT:
        slope = sum((d - centre) * (j - middle) for d, j in pairs) / spread
    level = middle - slope * centre
    return slope, level, max(abs(j - level - slope * d) for d, j in pairs)


def _inexact(group: Sequence[Judged]) -> list[str]:
    """A row beside exactly pooled ones that does not obey their identity."""
    exact = [one for one in group if one.verdict == POOLED]
    others = [one for one in group if one.verdict == "undecided" and one.spread is not None]
    if len(exact) < EXACT or len(others) > len(exact) / 3:
        return []
    found = []
    for one in others:
        dice, iou = one.row.cells["dice"], one.row.cells["iou"]
        gap = iou.value - iou_of_dice(dice.value)
        if gap > 2 * (dice.half + iou.half) and gap > INEXACT:
            found.append(
                f"{one.row.name}: IoU {iou.text} is not Dice / (2 - Dice) of {dice.text}, which "
                f"the {len(exact)} other rows obey"
            )
    return found


def _repeated(group: Sequence[Judged]) -> list[str]:
    """One method twice with different figures."""
    found = []
    seen: dict[str, Row] = {}
    for one in group:
        row = one.row
        texts = tuple(cell.text for cell in row.cells.values())
        if row.name in seen and texts != tuple(c.text for c in seen[row.name].cells.values()):
            found.append(f"{row.name} stands twice, with different figures")
        seen.setdefault(row.name, row)
    return found


def _same_figures(judged: Sequence[Judged]) -> list[str]:
    """Two methods with the same figures in all columns, whatever their aggregation."""
    lines: dict[tuple[str, str], list[Row]] = {}
    for one in judged:
        lines.setdefault((one.row.name, one.row.data), []).append(one.row)
    found, known = [], dict[tuple[str, ...], str]()
    for (name, data), rows in lines.items():
        cells = [cell for row in rows for cell in row.cells.values()]
        key = (data, *(cell.text for cell in cells))
        fine = len(cells) >= 3 and all(cell.half < 6e-5 for cell in cells)
        if fine and key in known and known[key] != name:
            label = f"{data}: " if data else ""
            found.append(f"{label}{known[key]} and {name} have the same figures in every column")
        known.setdefault(key, name)
    return found


def _rows_that_change(judged: Sequence[Judged]) -> list[str]:
    """Methods that are pooled on one dataset and not on another."""
    found = []
    for name in dict.fromkeys(one.row.name for one in judged):
        verdicts = {
            one.row.data: one.verdict
            for one in judged
            if one.row.name == name and not one.row.aggregation
        }
        if "pooled" in verdicts.values() and "per-image" in verdicts.values():
            parts = [
                f"{verdict} on {', '.join(d for d, v in verdicts.items() if v == verdict)}"
                for verdict in dict.fromkeys(verdicts.values())
            ]
            found.append(f"{name} changes its aggregation: {'; '.join(parts)}")
    return found


def _table_wide(judged: Sequence[Judged]) -> list[str]:
    """Rows that are rounded more coarsely than the rest."""
    halves = [cell.half for one in judged for cell in one.row.cells.values()]
    if not halves:
        return []
    fine = min(halves)
    coarse = [
        one.row
        for one in judged
        if len(one.row.cells) >= 3 and all(c.half > 5 * fine for c in one.row.cells.values())
    ]
    if not coarse or len(coarse) == len(judged):
        return []
    names = ", ".join(dict.fromkeys(row.name for row in coarse))
    return [f"{names}: rounded to fewer decimals than the other rows"]
