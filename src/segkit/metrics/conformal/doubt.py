"""The Dice of a prediction, estimated without the truth: a small regression with an interval.

What is estimated is the logarithm of the error 1 - Dice: errors span two orders of magnitude. Each
sign may only speak in the direction that is known beforehand (views that disagree more never make
an estimate better), which keeps a fit on a few dozen pictures from chasing noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.metrics.conformal.margins import upper_rank
from segkit.metrics.conformal.shift import SignScale

PENALTIES = tuple(float(value) for value in 10.0 ** np.arange(-1, 3.5, 0.5))
DOUBTLESS = 0.01  # added to the error, so that a perfect mask has a logarithm
FOLDS = 5
REACH = 6.0  # spreads: one wild sign must not carry the whole estimate


def log_error(dice: np.ndarray) -> np.ndarray:
    """What is regressed: log of the error."""
    return np.log(1.0 - np.asarray(dice, dtype=float) + DOUBTLESS)


def from_log_error(value: np.ndarray) -> np.ndarray:
    """Back to a Dice in [0, 1]."""
    return np.clip(1.0 + DOUBTLESS - np.exp(np.minimum(value, 1.0)), 0.0, 1.0)


@dataclass(frozen=True)
class Regression:
    """Ridge regression on scaled signs, no weight against its direction."""

    scale: SignScale
    weights: np.ndarray  # of the log error
    offset: float
    penalty: float

    @classmethod
    def fit(cls, signs: np.ndarray, dice: np.ndarray, directions: np.ndarray) -> Regression:
        """From signs (n, k), Dice (n), and +1 for each sign that raises the error, -1 otherwise."""
        scale, goal = SignScale.of(signs), log_error(dice)
        table = _clipped(scale(signs))
        errors = [_left_out(table, goal, directions, one) for one in PENALTIES]
        penalty = PENALTIES[int(np.argmin(errors))]
        return cls(scale, *_solve(table, goal, directions, penalty), penalty)

    def parts(self, signs: np.ndarray) -> np.ndarray:
        """What each sign adds to the log error (n, k), against a picture in the middle."""
        return _clipped(self.scale(signs)) * self.weights

    def log_error(self, signs: np.ndarray) -> np.ndarray:
        """The estimated log error."""
        return self.offset + self.parts(signs).sum(1)

    def __call__(self, signs: np.ndarray) -> np.ndarray:
        return from_log_error(self.log_error(signs))


def reach(estimated: np.ndarray, dice: np.ndarray, delta: float) -> float:
    """How far an interval reaches to both sides of a log error, from pictures not fitted on."""
    return upper_rank(np.abs(log_error(dice) - estimated), delta)


def interval(estimated: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the interval of the Dice, for estimated log errors."""
    return from_log_error(estimated + reach), from_log_error(estimated - reach)


def _clipped(scaled: np.ndarray) -> np.ndarray:
    return np.clip(scaled, -REACH, REACH)


def _solve(
    table: np.ndarray, goal: np.ndarray, directions: np.ndarray, penalty: float
) -> tuple[np.ndarray, float]:
    from scipy.optimize import nnls

    means, centre, many = table.mean(0), float(goal.mean()), table.shape[1]
    rows = np.vstack([(table - means) * directions, np.sqrt(penalty) * np.eye(many)])
    weights = nnls(rows, np.append(goal - centre, np.zeros(many)))[0] * directions
    return weights, centre - float(means @ weights)


def _left_out(table: np.ndarray, goal: np.ndarray, directions: np.ndarray, penalty: float) -> float:
    """Squared error on each fifth, fitted on the others."""
    fold, total = np.arange(len(goal)) % FOLDS, 0.0
    for index in range(FOLDS):
        out = fold == index
        weights, offset = _solve(table[~out], goal[~out], directions, penalty)
        total += float(((table[out] @ weights + offset - goal[out]) ** 2).sum())
    return total
