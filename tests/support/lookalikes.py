"""Pictures that look alike at first sight, and what the search for copies needs of a set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from segkit.data.copies.hashing import fine, thumbnail


def scene(seed: int, side: int = 160) -> np.ndarray:
    """A lesion in the middle of skin, with hairs: alike at first sight, different in detail."""
    rng = np.random.default_rng(seed)
    lesion = np.zeros((side, side), np.float32)
    axes, centre = rng.integers(28, 46, 2).tolist(), (side // 2, side // 2)
    cv2.ellipse(lesion, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    lesion = cv2.GaussianBlur(lesion, (0, 0), 5)[..., None]
    skin, dark = np.array([200, 170, 150]), np.array([90, 60, 50])
    canvas = skin + (dark - skin) * lesion + rng.normal(0, 6, (side, side, 3))
    canvas = np.clip(canvas, 0, 255).astype(np.uint8)
    for _ in range(25):
        ends = rng.integers(0, side, 4).tolist()
        cv2.line(
            canvas, (ends[0], ends[1]), (ends[2], ends[3]), rng.integers(20, 230, 3).tolist(), 1
        )
    return cv2.GaussianBlur(canvas, (3, 3), 0)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def stored(name: str, pictures: dict[str, np.ndarray], side: int = 160) -> Any:
    """What the search needs of a prepared set."""
    ids = sorted(pictures)
    items = [
        {"id": n, "height": side, "width": side, "sha256_image": str(hash(pictures[n].tobytes()))}
        for n in ids
    ]
    images = np.stack([cv2.resize(pictures[n], (side, side)) for n in ids])
    small = np.stack([thumbnail(np.ascontiguousarray(pictures[n])) for n in ids])
    return SimpleNamespace(
        name=name,
        ids=ids,
        items=items,
        images=images,
        thumbnails=small,
        details=np.stack([fine(image) for image in images]),
        size=(side, side),
        resize="stretch",
    )
