"""Temperature scaling: one number that makes probabilities honest without moving the mask.

logit(p) is divided by the temperature; above 1 the network was too sure (Guo et al., ICML 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from segkit.metrics import calibration

REACH, STEPS = 18.0, 9216  # logits from -18 to 18 in steps of 1/256
RANGE = (0.05, 20.0)  # temperatures that are tried


def logit_histogram(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels per class (0, 1) and step of the logit (2, 9216) of all pictures given."""
    p = probability.ravel().astype(np.float64)
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    step = np.clip((logit + REACH) * STEPS / (2 * REACH), 0, STEPS - 1).astype(np.int64)
    code = step + STEPS * (truth.ravel() != 0)
    return np.bincount(code, minlength=2 * STEPS).reshape(2, STEPS)


def _logits() -> np.ndarray:
    return np.asarray((np.arange(STEPS) + 0.5) * 2 * REACH / STEPS - REACH)


def log_loss(found: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the pixels at a temperature, in nats."""
    scaled = _logits() / temperature
    loss = found[0] * np.logaddexp(0.0, scaled) + found[1] * np.logaddexp(0.0, -scaled)
    return float(loss.sum() / max(found.sum(), 1))


def fit(found: np.ndarray) -> float:
    """The temperature with the smallest log loss."""
    low, high = np.log(RANGE[0]), np.log(RANGE[1])
    best = minimize_scalar(
        lambda log_t: log_loss(found, float(np.exp(log_t))),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(best.x))


def expected_error(found: np.ndarray, temperature: float = 1.0) -> float:
    """ECE (10 bins) of the pixels at a temperature."""
    p = 1.0 / (1.0 + np.exp(-_logits() / temperature))
    level = np.minimum(p * calibration.BINS, calibration.BINS - 1).astype(np.int64)
    pixels = found.sum(0)
    columns = (pixels, pixels * p, found[1])
    sums = [np.bincount(level, weights=c, minlength=calibration.BINS) for c in columns]
    return float(calibration.ece(np.concatenate(sums)))


def report(val: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Fitted on the histogram of the validation part, applied to the test part."""
    chosen = fit(val)
    return {
        "chosen": chosen,
        "val_log_loss": log_loss(val, chosen),
        "val_log_loss_default": log_loss(val),
        "test_log_loss": log_loss(test, chosen),
        "test_log_loss_default": log_loss(test),
        "test_ece": expected_error(test, chosen),
        "test_ece_default": expected_error(test),
    }
