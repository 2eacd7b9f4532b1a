"""How far an outline can be off: masks grown and shrunk until a promise about them holds.

A mask grown by r pixels misses a share of the truth, a mask shrunk by r pixels holds a share that
is false. Both shares are worked out for every r of a fixed scale; calibration chooses the smallest
r that keeps the promise on pictures that the network was not trained on.

Two promises, both finite-sample and free of any assumption but exchangeability:

* `expectation`: the share, averaged over new pictures, is at most alpha. Conformal risk control:
  Angelopoulos, Bates, Fisch, Lei, Schuster, ICLR 2024, arXiv 2208.02814.
* `per_picture`: the share of a new picture is at most alpha with probability 1 - delta. Split
  conformal prediction on the radius that each picture needs: Vovk et al. 2005; Papadopoulos 2002.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

STEP = 0.5  # pixels between two radii of the scale
FORMS = ("expectation", "per_picture")
SIDES = ("outer", "inner")


def radii(size: tuple[int, int]) -> np.ndarray:
    """The scale: 0 to the diagonal in steps, then infinity (the whole picture, or nothing)."""
    return np.append(np.arange(0.0, math.hypot(*size) + STEP, STEP), np.inf)


def field(mask: np.ndarray) -> np.ndarray:
    """Signed distance of each pixel: outside, to the nearest foreground; inside, minus its depth.

    Grown by r is `field <= r`, shrunk by r is `field < -r`; r = 0 gives the mask both times.
    """
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    if not solid.any():
        return np.full(solid.shape, np.inf, np.float32)
    if solid.all():
        return np.full(solid.shape, -np.inf, np.float32)
    outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return outside - cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def missed(distance: np.ndarray, truth: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Share of the truth outside the mask grown by each radius; 0 where there is no truth."""
    wanted = np.sort(distance[truth])
    if not wanted.size:
        return np.zeros(len(scale))
    beyond = wanted.size - np.searchsorted(wanted, scale + 1e-6, side="right")
    return np.where(np.isinf(scale), 0.0, beyond / wanted.size)


def false_share(distance: np.ndarray, truth: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Largest false share of the mask shrunk by each radius or more; 0 where nothing is left.

    The false share itself can rise while a mask shrinks (the right part goes first), which risk
    control does not allow; its running maximum cannot, and bounds it.
    """
    depth, wrong = -distance[distance < 0], -distance[(distance < 0) & ~truth]
    left = depth.size - np.searchsorted(np.sort(depth), scale + 1e-6, side="right")
    bad = wrong.size - np.searchsorted(np.sort(wrong), scale + 1e-6, side="right")
    share = np.divide(bad, left, out=np.zeros(len(scale)), where=left > 0)
    share[np.isinf(scale)] = 0.0
    return np.maximum.accumulate(share[::-1])[::-1]


def least_pictures(level: float) -> int:
    """Calibration pictures without which no finite radius can keep a promise at this level."""
    return math.ceil(1.0 / level - 1e-9) - 1


def expected_radius(losses: np.ndarray, scale: np.ndarray, alpha: float) -> float:
    """Smallest radius whose mean loss, one more picture of loss 1 counted in, is at most alpha."""
    bound = (losses.sum(0) + 1.0) / (len(losses) + 1)
    return float(scale[int(np.argmax(bound <= alpha))]) if (bound <= alpha).any() else math.inf


def needed(losses: np.ndarray, scale: np.ndarray, alpha: float) -> np.ndarray:
    """The radius that each picture needs for a loss of at most alpha."""
    return scale[np.argmax(losses <= alpha, axis=1)]


def upper_rank(values: np.ndarray, delta: float) -> float:
    """The order statistic that a new exchangeable value exceeds with probability delta at most."""
    rank = math.ceil((len(values) + 1) * (1.0 - delta) - 1e-9)
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else math.inf


def radius(losses: np.ndarray, scale: np.ndarray, form: str, alpha: float, delta: float) -> float:
    """The radius of a promise by its name."""
    if form == "expectation":
        return expected_radius(losses, scale, alpha)
    return upper_rank(needed(losses, scale, alpha), delta)


def at(losses: np.ndarray, scale: np.ndarray, value: float) -> np.ndarray:
    """The loss of every picture at a radius of the scale."""
    return losses[:, int(np.searchsorted(scale, value))]


def binomial_interval(hits: int, many: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a proportion."""
    from scipy.special import betaincinv  # scipy is slow to import, and predict needs none of it

    tail = (1.0 - level) / 2.0
    low = float(betaincinv(hits, many - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, many - hits, 1.0 - tail)) if hits < many else 1.0
    return low, high
