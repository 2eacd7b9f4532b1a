"""What a printed interval says of IoU, and what rows say of each other."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.metrics.auditing.audit import audit_text
from segkit.metrics.auditing.spread import largest_iou, least_dice
from segkit.metrics.intervals import Resampler, mean_figure


def findings(text: str) -> list[str]:
    made = audit_text(text)
    return [*made["table"], *(line for row in made["rows"] for line in row["findings"])]


def dice_of(seed: int, pictures: int) -> np.ndarray:
    """Most pictures good, some bad."""
    generator = np.random.default_rng(seed)
    return generator.beta(generator.choice([6, 9, 12]), generator.choice([1.0, 1.4]), pictures)


def test_no_distribution_exceeds_the_bounds() -> None:
    generator = np.random.default_rng(0)
    for _ in range(3000):
        values = generator.random(generator.integers(2, 9)) ** generator.choice([0.2, 1, 3])
        values = np.where(generator.random(len(values)) < 0.2, np.rint(values), values)
        weights = generator.dirichlet(np.ones(len(values)))
        iou = values / (2 - values)
        mean, mean_iou = float(weights @ values), float(weights @ iou)
        spread = float(np.sqrt(weights @ (values - mean) ** 2))
        assert mean_iou <= largest_iou(mean, spread) + 1e-9
        spread = float(np.sqrt(weights @ (iou - mean_iou) ** 2))
        assert mean >= least_dice(mean_iou, spread) - 1e-9


def test_the_bounds_are_reached() -> None:
    two = np.array([0.4, 1.0])  # one value is 1
    for share in (0.1, 0.5, 0.9):
        weights = np.array([share, 1 - share])
        mean = float(weights @ two)
        spread = float(np.sqrt(weights @ (two - mean) ** 2))
        assert largest_iou(mean, spread) == pytest.approx(float(weights @ (two / (2 - two))))


def row_of(dice: np.ndarray, more: float = 0.0) -> str:
    """A line of a report: means with their intervals; `more` is added to IoU and its interval."""
    draws = Resampler(len(dice))
    cells = []
    for values, shift in ((dice, 0.0), (dice / (2 - dice), more)):
        low, high = draws.interval(mean_figure(values))
        cells.append(f"{values.mean() + shift:.4f} [{low + shift:.4f}, {high + shift:.4f}]")
    return f"| a | {cells[0]} | {cells[1]} | {len(dice)} |\n"


HEAD = "| Run | Dice (per image) | IoU (per image) | Pictures |\n|---|---|---|---|\n"


@pytest.mark.parametrize("pictures", [50, 150, 600])
def test_an_iou_three_points_too_high_is_caught(pictures: int) -> None:
    for seed in range(8):
        dice = dice_of(seed, pictures)
        assert findings(HEAD + row_of(dice)) == []
        assert any("too high" in line for line in findings(HEAD + row_of(dice, 0.03))), seed


def test_without_intervals_the_other_rows_tell() -> None:
    rows = [(89.24, 82.50), (88.42, 81.22), (89.56, 82.85), (88.24, 81.06), (89.07, 82.24)]
    lines = [f"n{i},{dice},{iou}\n" for i, (dice, iou) in enumerate(rows)]
    head = "method,Dice,IoU\n"
    assert findings(head + "".join(lines)) == []
    (found,) = findings(head + "".join(lines) + "m,89.33,85.66\n")
    assert "m: IoU 85.66 is too high for Dice 89.33, by about 3" in found


@pytest.mark.parametrize(
    ("header", "line", "part"),
    [
        ("Dice (pooled),IoU (pooled)", "0.8924,0.8250", "are means over images"),
        ("dice_image,iou_image", "0.9033,0.8237", "but are pooled"),
    ],
)
def test_a_header_that_the_figures_belie(header: str, line: str, part: str) -> None:
    assert any(part in found for found in findings(f"run,{header}\na,{line}\n"))


def test_one_row_beside_exact_ones() -> None:
    dice = [0.90, 0.88, 0.86, 0.84, 0.82]
    lines = [f"n{i},{d:.4f},{d / (2 - d):.4f}\n" for i, d in enumerate(dice)]
    head = "run,dice_pooled,iou_pooled\n"
    assert findings(head + "".join(lines)) == []
    slip = f"m,0.8900,{0.89 / 1.11 + 0.003:.4f}\n"
    assert any(
        "which the 5 other rows obey" in line for line in findings(head + "".join(lines) + slip)
    )
