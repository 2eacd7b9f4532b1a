"""The estimate of a prediction's own Dice: fitted on one half, its interval on the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from segkit.engine.certifying.gather import MeasuredPart
from segkit.metrics.conformal import deferral, doubt, signs
from segkit.metrics.conformal.margins import binomial_interval

LEAST = 15  # pictures of the fit: five signs and an offset
DIRECTIONS = np.array(list(signs.DOUBT.values()), dtype=float)
SHARES = (0.05, 0.1, 0.2)


def document(
    fit: MeasuredPart, own: MeasuredPart, test: MeasuredPart, delta: float
) -> dict[str, Any]:
    """`doubt`, and what it does on the test part: `risk_coverage`, `deferral`."""
    if len(fit) < LEAST:
        return {"doubt": None}
    fitted = doubt.Regression.fit(signs.table(fit.signs, signs.DOUBT), fit.dice, DIRECTIONS)
    ours = fitted.log_error(signs.table(own.signs, signs.DOUBT))
    reach = doubt.reach(ours, own.dice, delta)
    made: dict[str, Any] = {"doubt": _described(fitted, reach, delta)}
    if len(test) >= LEAST:
        theirs = signs.table(test.signs, signs.DOUBT)
        made["doubt"]["test_part"] = _checked(fitted.log_error(theirs), test.dice, reach)
        found = fitted(theirs)
        made["risk_coverage"] = deferral.curve_document(found, test.dice)
        made["deferral"] = [deferral.gain(found, test.dice, share, test.groups) for share in SHARES]
    return made


def _described(fitted: doubt.Regression, reach: float, delta: float) -> dict[str, Any]:
    return {
        "signs": list(signs.DOUBT),
        "centre": fitted.scale.centre.tolist(),
        "spread": fitted.scale.spread.tolist(),
        "weights": fitted.weights.tolist(),
        "offset": fitted.offset,
        "penalty": fitted.penalty,
        "reach": reach if math.isfinite(reach) else None,
        "level": 1 - delta,
    }


def _checked(estimated: np.ndarray, dice: np.ndarray, reach: float) -> dict[str, Any]:
    """How well the estimates (log errors) and their intervals did."""
    found = doubt.from_log_error(estimated)
    low, high = doubt.interval(estimated, reach)
    hits = int(np.count_nonzero((low - 1e-9 <= dice) & (dice <= high + 1e-9)))
    spread = float(found.std()) * float(dice.std())
    together = float(((found - found.mean()) * (dice - dice.mean())).mean())
    return {
        "n": len(dice),
        "mean_error": float(np.abs(found - dice).mean()),
        "correlation": together / spread if spread > 0 else None,
        "covered": hits / len(dice),
        "ci95": list(binomial_interval(hits, len(dice))),
    }
