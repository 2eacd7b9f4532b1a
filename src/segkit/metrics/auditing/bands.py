"""What published means without intervals allow: a band for each, the chance that an order is false.

A mean over n pictures has a standard error of sd / sqrt(n). Papers print no sd; it is modelled as a
share of the largest that a mean m in [0, 1] allows, sqrt(m (1 - m)). Under a flat prior the chance
that the lower of two means belongs to the better network is the normal tail of their difference,
whose variance shrinks with the correlation of the two networks over the same pictures.

The argument is that of "Confidence intervals uncovered" (arXiv 2409.17763) and "False promises in
medical imaging AI" (arXiv 2505.04720); SHARE and CORRELATION are measured on our own paired runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from segkit.errors import UsageError

SHARE = 0.46  # of the largest sd: 0.43 to 0.48 on ISIC 2017, 0.52 on DSB2018
CORRELATION = 0.74  # of two different networks on ISIC 2017 (0.71 to 0.76; 0.89 between seeds)


def standard_error(mean: float, pictures: int, sd: float | None = None) -> float:
    """The modelled standard error of a mean score over `pictures` pictures."""
    if not 0 <= mean <= 1:
        raise UsageError(f"a mean score of {mean} is none", "between 0 and 1")
    if pictures < 2:
        raise UsageError(f"{pictures} test pictures", "at least 2")
    return (SHARE * math.sqrt(mean * (1 - mean)) if sd is None else sd) / math.sqrt(pictures)


def band(mean: float, pictures: int, sd: float | None = None) -> tuple[float, float]:
    """The 95 % band of a published mean, inside [0, 1]."""
    reach = 1.959964 * standard_error(mean, pictures, sd)
    return max(0.0, mean - reach), min(1.0, mean + reach)


def false_order(
    better: float, worse: float, pictures: int, correlation: float = CORRELATION
) -> float:
    """The chance that the claimed order of two networks is false."""
    one, other = standard_error(better, pictures), standard_error(worse, pictures)
    variance = one**2 + other**2 - 2 * correlation * one * other
    if variance <= 0:
        return 0.0 if better > worse else 0.5
    return 0.5 * math.erfc((better - worse) / math.sqrt(2 * variance))


def claims(rows: Sequence[tuple[str, float]], pictures: int) -> list[dict[str, Any]]:
    """Rows best first: band of each, and the chance that it is not better than the next."""
    ordered = sorted(rows, key=lambda row: -row[1])
    found = []
    for place, (name, mean) in enumerate(ordered):
        low, high = band(mean, pictures)
        below = ordered[place + 1][1] if place + 1 < len(ordered) else None
        false = None if below is None else false_order(mean, below, pictures)
        found.append({"name": name, "mean": mean, "low": low, "high": high, "false": false})
    return found
