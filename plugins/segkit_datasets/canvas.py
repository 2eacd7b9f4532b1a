"""What the synthetic sets draw with: noise fields, irregular outlines, shading. NumPy and OpenCV
only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]  # (H, W), float32
Picture = NDArray[Any]  # (H, W, 3), float32, RGB in [0, 1]
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Pixel coordinates in units of the shorter side, origin in the middle."""

    y: Field
    x: Field

    @classmethod
    def of(cls, size: tuple[int, int]) -> Grid:
        height, width = size
        unit = min(height, width)
        rows = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / unit
        columns = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / unit
        y, x = np.meshgrid(rows, columns, indexing="ij")
        return cls(y, x)

    @property
    def size(self) -> tuple[int, int]:
        return self.y.shape[0], self.y.shape[1]


def noise(rng: np.random.Generator, size: tuple[int, int], cells: float) -> Field:
    """Smooth noise with about `cells` bumps along the shorter side, mean 0 and deviation 1."""
    step = max(min(size) / cells, 1.0)
    coarse_size = [max(int(np.ceil(side / step)) + 3, 4) for side in size]
    coarse = rng.standard_normal(coarse_size).astype(np.float32)
    fine = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return (fine - fine.mean()) / (fine.std() + 1e-6)


def clouds(rng: np.random.Generator, size: tuple[int, int], cells: float, octaves: int) -> Field:
    """Noise at several scales, each half as strong and twice as fine."""
    layers = [noise(rng, size, cells * 2**i) / 2**i for i in range(octaves)]
    total = np.sum(layers, axis=0)
    return (total / (total.std() + 1e-6)).astype(np.float32)


def outline(
    rng: np.random.Generator,
    grid: Grid,
    centre: tuple[float, float],
    radius: float,
    roughness: float,
    stretch: float = 1.5,
) -> Field:
    """A field that is negative inside an irregular star-shaped blob, about a distance near its
    border.
    """
    angle = rng.uniform(0, np.pi)
    dy, dx = grid.y - centre[0], grid.x - centre[1]
    along = np.cos(angle) * dx + np.sin(angle) * dy
    across = -np.sin(angle) * dx + np.cos(angle) * dy
    ratio = np.sqrt(rng.uniform(1, stretch))
    along, across = along / ratio, across * ratio
    theta = np.arctan2(across, along)
    wave = np.zeros_like(theta)
    for k in range(2, 9):
        amplitude = roughness * rng.normal() / k
        wave += amplitude * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
    return (np.hypot(along, across) - radius * (1 + wave)).astype(np.float32)


def smoothstep(field: Field, width: float) -> Field:
    """1 well inside (field ≪ 0), 0 well outside, a soft border of the given width."""
    t = np.clip(0.5 - field / max(width, 1e-6), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def colour(field: Field, tint: tuple[float, float, float]) -> Picture:
    """A field times a colour."""
    return field[..., None] * np.asarray(tint, np.float32)


def blend(base: Picture, over: Picture | NDArray[np.float32], alpha: Field) -> Picture:
    """`over` on `base` with opacity `alpha`."""
    return base + (over - base) * alpha[..., None]


def finish(rng: np.random.Generator, picture: Picture, grain: float, blur: float) -> Mask:
    """Optics and sensor: blur in pixels per 256, grain, then 8 bits."""
    sigma = blur * min(picture.shape[:2]) / 256
    if sigma > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    picture = picture + grain * rng.standard_normal(picture.shape).astype(np.float32)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def stroke(
    size: tuple[int, int], points: NDArray[np.float64], thickness: float, taper: bool = False
) -> Field:
    """Coverage (0 to 1) of a smooth line through `points`, given in Grid units as (x, y)."""
    unit = min(size)
    shift = 4  # OpenCV draws with 1/16 pixel
    pixels = points * unit + np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    canvas = np.zeros(size, np.uint8)
    widths = np.linspace(thickness, thickness * (0.4 if taper else 1), len(pixels) - 1)
    for start, end, width in zip(pixels[:-1], pixels[1:], widths, strict=True):
        ends = [tuple(int(v) for v in np.round(p * 2**shift)) for p in (start, end)]
        cv2.line(
            canvas, ends[0], ends[1], 255, max(round(float(width * unit)), 1), cv2.LINE_AA, shift
        )
    return canvas.astype(np.float32) / 255


def curve(
    rng: np.random.Generator,
    start: NDArray[np.float64],
    heading: float,
    length: float,
    bend: float,
    steps: int = 24,
) -> NDArray[np.float64]:
    """Points of a line that bends at random while it goes on."""
    turns = np.cumsum(rng.normal(0, bend / np.sqrt(steps), steps)) + heading
    moves = np.stack([np.cos(turns), np.sin(turns)], 1) * (length / steps)
    return np.concatenate([start[None], start + np.cumsum(moves, axis=0)])
