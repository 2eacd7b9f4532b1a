"""Are new pictures like those of the calibration? A promise holds for pictures of one kind only.

Two exact tests on the same signs: of a single picture by the rank of its distance (a conformal
p-value), of a batch by the energy distance with relabelled pictures (a permutation test).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_BATCH = 5  # pictures that a batch test needs
MOST = 400  # pictures of a batch that are tested: more add cost and no insight
LEVEL = 0.01  # of the warning
DRAWS = 999


@dataclass(frozen=True)
class SignScale:
    """Centre and spread of each sign, from pictures that take no part in the tests."""

    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, signs: np.ndarray) -> SignScale:
        """Median and interquartile range: an odd picture does not move them."""
        low, middle, high = np.quantile(signs, [0.25, 0.5, 0.75], axis=0)
        wide = (high - low) / 1.349
        spread = np.where(wide > 1e-9, wide, np.maximum(signs.std(0), 1e-6))
        return cls(middle, spread)

    def __call__(self, signs: np.ndarray) -> np.ndarray:
        return np.clip((signs - self.centre) / self.spread, -20.0, 20.0)


def picture_p(calibration: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Conformal p-value of each new picture: how rarely one of the calibration lies as far out."""
    ours, theirs = (np.sqrt((one**2).mean(1)) for one in (calibration, new))
    beyond = (ours[None, :] >= theirs[:, None] - 1e-12).sum(1)
    return (beyond + 1) / (len(ours) + 1)


def batch_p(calibration: np.ndarray, new: np.ndarray, draws: int = DRAWS, seed: int = 0) -> float:
    """p of the energy distance between two sets of scaled signs, by relabelling the pictures."""
    generator = np.random.default_rng(seed)
    if len(new) > MOST:
        new = new[np.sort(generator.choice(len(new), MOST, replace=False))]
    both = np.concatenate([calibration, new])
    apart = np.sqrt(np.maximum(_squares(both), 0.0))
    labels = np.zeros((draws + 1, len(both)))
    labels[0, len(calibration) :] = 1.0
    for row in labels[1:]:
        row[generator.choice(len(both), len(new), replace=False)] = 1.0
    found = _energy(apart, labels, len(calibration), len(new))
    return float((found[1:] >= found[0] - 1e-12).sum() + 1) / (draws + 1)


def loudest(calibration: np.ndarray, new: np.ndarray, names: tuple[str, ...], many: int = 3) -> str:
    """The signs whose mean moved most, for a person: 'brightness +2.1, area -0.8' (spreads)."""
    moved = new.mean(0) - calibration.mean(0)
    order = np.argsort(-np.abs(moved))[:many]
    return ", ".join(f"{names[i].replace('_', ' ')} {moved[i]:+.1f}" for i in order)


def _squares(points: np.ndarray) -> np.ndarray:
    own = (points**2).sum(1)
    return own[:, None] + own[None, :] - 2.0 * points @ points.T


def _energy(apart: np.ndarray, labels: np.ndarray, old: int, new: int) -> np.ndarray:
    inside = np.einsum("ij,ij->i", labels @ apart, labels)
    rest = 1.0 - labels
    outside = np.einsum("ij,ij->i", rest @ apart, rest)
    between = (apart.sum() - inside - outside) / 2.0
    return 2.0 * between / (old * new) - inside / new**2 - outside / old**2
