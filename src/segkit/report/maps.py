"""What a network shows of itself (attention, prompts), and values as colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from segkit.engine.predicting.sliding import as_numpy


def heat(values: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1] as colours from dark to bright (viridis: even steps for every eye)."""
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]


def network_maps(network: Any, method: str, inputs: Any) -> dict[str, np.ndarray]:
    """What the network shows of itself for a batch of inputs: title -> (B, h, w), each in [0, 1].

    `method` is `Architecture.maps`: a method `image -> {title: (B, 1, h, w)}` of the network.
    """
    import torch

    with torch.inference_mode():
        found: Mapping[str, Any] = getattr(network, method)(inputs)
    return {title: _stretched(as_numpy(values)[:, 0]) for title, values in found.items()}


def _stretched(values: np.ndarray) -> np.ndarray:
    """Each picture's map stretched to [0, 1]."""
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    return (values - low) / np.maximum(high - low, 1e-12)


def over(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A map (h, w) in [0, 1] as colours over the picture."""
    large = cv2.resize(values.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.addWeighted(np.ascontiguousarray(image), 0.45, heat(large), 0.55, 0)
