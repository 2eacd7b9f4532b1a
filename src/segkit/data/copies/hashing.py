"""What copies are found by: a grey picture of 128x128, a thumbnail of 32x32, a hash of 64 bits.

They are made of the raw picture on a grid of their own, whatever size a set is prepared at: the
same copies are found at every size, so a seed gives the same split at every size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
FINE_SIDE = 128
GRID = (256, 256)  # a large JPEG is decoded reduced, but never below this


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey picture averaged (stretched) to 32x32."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def fine(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey picture averaged (stretched) to 128x128: its details decide."""
    small = cv2.resize(image, (FINE_SIDE, FINE_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def perceptual_hash(small: NDArray[np.uint8]) -> str:
    """64 signs of low frequencies against their median, as 16 hex digits."""
    waves = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    bits = waves > np.median(waves[1:])
    return np.packbits(bits).tobytes().hex()


def hamming(one: str, other: str) -> int:
    """In how many of the 64 bits two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
