"""From probabilities to a mask: one rule for evaluate, predict, report and view. No torch."""

from __future__ import annotations

from typing import Any

import numpy as np


def masks_from(probabilities: Any, threshold: float = 0.5) -> Any:
    """(B, K, H, W) probabilities -> class indices uint8 (B, H, W); K = 1: where p > threshold.

    A numpy array gives a numpy array, a torch tensor a tensor on the same device.
    """
    one_channel = probabilities.shape[1] == 1
    chosen = probabilities[:, 0] > threshold if one_channel else probabilities.argmax(1)
    if isinstance(chosen, np.ndarray):
        return chosen.astype(np.uint8)
    import torch

    return chosen.to(torch.uint8)


def foreground(probability: np.ndarray) -> np.ndarray:
    """(K, H, W) -> (H, W) probability of not being background."""
    return probability[0] if probability.shape[0] == 1 else 1.0 - probability[0]
