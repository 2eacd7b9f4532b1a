"""Pictures that would print a row of a table: the proof that nobody could have found it wrong.

A row gives the means of Dice and IoU per image and, where printed, their intervals over a number of
pictures. J = D / (2 - D) holds picture by picture. A linear program looks for shares of pictures at
each Dice whose two means and two spreads are those of the row; the pictures are then dealt out and
measured by segkit's own bootstrap, which must print the row again.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from segkit.metrics.auditing.tables import PublishedCell, Row
from segkit.metrics.intervals import Resampler, mean_figure

GRID = np.linspace(0.0, 1.0, 501)
IOU = GRID / (2.0 - GRID)
NORMAL = 1.96
LOOSE = 0.06  # of an interval's width: 2000 draws, and a skewed mean
UNSAID = 600  # pictures, where the table does not say
NEAR = 0.004  # how near the dealt pictures come to the printed figures


def witness(row: Row) -> np.ndarray | None:
    """The Dice of each picture of a set that prints this row; None if none was found."""
    dice, iou = row.cells.get("dice"), row.cells.get("iou")
    if dice is None or iou is None:
        return np.zeros(0)  # nothing stands against anything
    pictures = row.pictures or UNSAID
    shares = _shares(dice, iou, pictures)
    if shares is None:
        return None
    found = _dealt(shares, (np.arange(pictures) + 0.5) / pictures)
    return found if _prints(found, dice, iou) else None


def _dealt(shares: np.ndarray, places: np.ndarray) -> np.ndarray:
    """As many pictures at each Dice as its share says."""
    return GRID[np.minimum(np.searchsorted(np.cumsum(shares), places), len(GRID) - 1)]


def _shares(dice: PublishedCell, iou: PublishedCell, pictures: int) -> np.ndarray | None:
    rows, least = [], []
    for values, cell in ((GRID, dice), (IOU, iou)):
        rows += [values, -values]
        least += [cell.value + cell.half, -(cell.value - cell.half)]
        if cell.interval is not None:
            low, high = _squares(cell, pictures)
            rows += [values**2, -(values**2)]
            least += [high, -low]
    cost = (GRID - dice.value) ** 4  # the calmest of them: few far pictures
    found = linprog(cost, np.array(rows), least, np.ones((1, len(GRID))), [1.0], bounds=(0, 1))
    return np.asarray(found.x) if found.status == 0 else None


def _squares(cell: PublishedCell, pictures: int) -> tuple[float, float]:
    """The mean square that the interval allows, between two bounds."""
    assert cell.interval is not None
    width = cell.interval[1] - cell.interval[0]
    ends = (width - 2 * cell.half) * (1 - LOOSE), (width + 2 * cell.half) * (1 + LOOSE)
    low, high = (max(end, 0.0) / (2 * NORMAL) * np.sqrt(pictures) for end in ends)
    return cell.value**2 + low**2, cell.value**2 + high**2


def _prints(found: np.ndarray, dice: PublishedCell, iou: PublishedCell) -> bool:
    """Whether the set's own figures are those of the row."""
    draws = Resampler(len(found))
    for values, cell in ((found, dice), (found / (2.0 - found), iou)):
        made = draws.report(mean_figure(values))
        if abs(made["mean"] - cell.value) > NEAR:
            return False
        if cell.interval is not None and made["ci95"] is not None:
            width, printed = np.ptp(made["ci95"]), np.ptp(cell.interval)
            if abs(width - printed) > 2 * LOOSE * printed + 2 * cell.half:
                return False
    return True
