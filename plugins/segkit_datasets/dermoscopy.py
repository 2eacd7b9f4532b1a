"""`demo`: pictures like dermoscopy. A pigmented lesion on skin, with all that gets in the way of
seeing it.

Skin of several tones, an irregular lesion with network, globules and veil, sometimes of several
parts, hairs, ruler marks, gel bubbles, a dark frame, low contrast. The mask is exact: the set where
the outline is negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from scipy.spatial import cKDTree

from segkit_datasets.canvas import (
    Field,
    Grid,
    Mask,
    Picture,
    blend,
    clouds,
    colour,
    curve,
    finish,
    noise,
    outline,
    smoothstep,
    stroke,
)

SKIN = [
    (0.93, 0.77, 0.69),
    (0.88, 0.69, 0.58),
    (0.82, 0.60, 0.48),
    (0.70, 0.48, 0.36),
    (0.86, 0.64, 0.62),
]
PIGMENT = [
    (0.45, 0.27, 0.18),
    (0.33, 0.20, 0.15),
    (0.55, 0.34, 0.24),
    (0.26, 0.17, 0.17),
    (0.60, 0.36, 0.34),
]
Sample = tuple[str, Mask, Mask, dict[str, Any]]


def generate(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """`count` samples (id, picture, mask, facts); each depends on the seed and its number alone."""
    for index in range(count):
        rng = np.random.default_rng([seed, index, 1])
        picture, mask, facts = draw(rng, size)
        yield f"demo_{index:04d}", picture, mask, facts


def draw(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Mask, Mask, dict[str, Any]]:
    """One picture with its mask."""
    grid = Grid.of(size)
    facts: dict[str, Any] = {"parts": int(rng.choice([0, 1, 2, 3], p=[0.04, 0.82, 0.1, 0.04]))}
    facts["contrast"] = float(
        rng.choice([rng.uniform(0.25, 0.45), rng.uniform(0.55, 1.0)], p=[0.2, 0.8])
    )
    picture = skin(rng, grid)
    field = lesion_field(rng, grid, facts["parts"])
    if facts["parts"]:
        picture = add_lesion(rng, grid, picture, field, facts["contrast"])
    picture = clutter(rng, grid, picture, facts)
    seen = np.hypot(grid.x, grid.y) < facts.get(
        "lens", np.inf
    )  # nothing is marked behind the frame
    mask = ((field < 0) & seen).astype(np.uint8)
    return (
        finish(rng, picture, grain=rng.uniform(0.006, 0.02), blur=rng.uniform(0.3, 0.9)),
        mask,
        facts,
    )


def skin(rng: np.random.Generator, grid: Grid) -> Picture:
    """Skin tone with uneven light, blotches and fine texture."""
    tone = np.asarray(SKIN[rng.integers(len(SKIN))], np.float32) * rng.uniform(0.88, 1.05)
    light = 1 + 0.05 * clouds(rng, grid.size, 2, 3) + rng.uniform(-0.12, 0.12) * grid.x
    picture = colour(light.astype(np.float32), tuple(tone))
    redness = np.clip(clouds(rng, grid.size, 4, 2), 0, None) * rng.uniform(0, 0.05)
    picture -= colour(redness, (0.2, 1.0, 0.9))
    lines = np.abs(clouds(rng, grid.size, 45, 2))
    return picture - (0.012 * np.exp(-3 * lines))[..., None]


def lesion_field(rng: np.random.Generator, grid: Grid, parts: int) -> Field:
    """Negative inside the lesion: a main blob and satellites, with a ragged border."""
    field = np.full(grid.size, 1.0, np.float32)
    centre = rng.uniform(-0.13, 0.13, 2)
    radius = rng.uniform(0.13, 0.36)
    for part in range(parts):
        if part:
            turn = rng.uniform(0, 2 * np.pi)
            reach = radius * rng.uniform(1.35, 1.7)
            where = centre + reach * np.array([np.sin(turn), np.cos(turn)])
            blob = outline(rng, grid, tuple(where), radius * rng.uniform(0.15, 0.35), 0.2)
        else:
            blob = outline(rng, grid, tuple(centre), radius, rng.uniform(0.1, 0.35))
        field = np.minimum(field, blob)
    return field + 0.012 * noise(rng, grid.size, 18) if parts else field


def add_lesion(
    rng: np.random.Generator, grid: Grid, picture: Picture, field: Field, contrast: float
) -> Picture:
    """Pigment with two tones, then network, globules and sometimes a bluish veil."""
    edge = rng.uniform(0.02, 0.09)
    body = smoothstep(field, edge) * contrast
    first, second = (np.asarray(PIGMENT[i], np.float32) for i in rng.permutation(len(PIGMENT))[:2])
    mix = np.clip(0.5 + 0.4 * clouds(rng, grid.size, 5, 3), 0, 1)[..., None]
    pigment = (first * mix + second * (1 - mix)) * (1 + 0.08 * clouds(rng, grid.size, 12, 2))[
        ..., None
    ]
    picture = blend(picture, pigment.astype(np.float32), 0.82 * body)
    if rng.random() < 0.6:
        patch = np.clip(0.6 + 0.5 * clouds(rng, grid.size, 4, 2), 0, 1)
        lines = network(rng, grid) * smoothstep(field + 0.02, 0.06) * patch
        picture = blend(picture, picture * 0.55, (0.75 * contrast * lines).astype(np.float32))
    picture = globules(rng, grid, picture, field, contrast)
    if rng.random() < 0.25:
        spot = outline(rng, grid, tuple(rng.uniform(-0.15, 0.15, 2)), rng.uniform(0.06, 0.14), 0.3)
        veil = smoothstep(np.maximum(spot, field + 0.03), 0.06) * rng.uniform(0.25, 0.5) * contrast
        picture = blend(picture, np.asarray((0.45, 0.5, 0.62), np.float32), veil)
    return picture


def network(rng: np.random.Generator, grid: Grid) -> Field:
    """A honeycomb: the borders between the cells of jittered seeds."""
    pitch = rng.uniform(0.035, 0.06)
    reach = np.arange(
        -0.75 * max(grid.size) / min(grid.size), 0.75 * max(grid.size) / min(grid.size), pitch
    )
    seeds = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
    seeds += rng.uniform(-0.45, 0.45, seeds.shape) * pitch
    distances, _ = cKDTree(seeds).query(np.stack([grid.x, grid.y], -1).reshape(-1, 2), k=2)
    gap = (distances[:, 1] - distances[:, 0]).reshape(grid.size)
    return np.exp(-((gap / (0.28 * pitch)) ** 2)).astype(np.float32)


def globules(
    rng: np.random.Generator, grid: Grid, picture: Picture, field: Field, contrast: float
) -> Picture:
    """Small dark dots inside the lesion."""
    inside = np.argwhere(field < -0.03)
    if not len(inside) or rng.random() < 0.4:
        return picture
    dots = np.zeros(grid.size, np.uint8)
    for row, column in inside[rng.integers(len(inside), size=int(rng.integers(5, 40)))]:
        radius = max(int(rng.uniform(0.004, 0.012) * min(grid.size)), 1)
        cv2.circle(dots, (int(column), int(row)), radius, 255, -1, cv2.LINE_AA)
    return blend(picture, picture * 0.45, dots.astype(np.float32) / 255 * 0.7 * contrast)


def clutter(
    rng: np.random.Generator, grid: Grid, picture: Picture, facts: dict[str, Any]
) -> Picture:
    """What lies over the lesion: hairs, ruler marks, gel bubbles, the dark frame of the lens."""
    facts["hairs"] = int(rng.integers(3, 16)) if rng.random() < 0.4 else 0
    facts["ruler"], facts["frame"] = bool(rng.random() < 0.2), bool(rng.random() < 0.3)
    shade = np.asarray(rng.uniform(0.05, 0.25) * np.array([1, 0.85, 0.75]), np.float32)
    for _ in range(facts["hairs"]):
        line = hair(rng, grid)
        picture = blend(picture, shade, line * rng.uniform(0.6, 0.95))
    if facts["ruler"]:
        picture = blend(picture, np.asarray((0.1, 0.1, 0.12), np.float32), ruler(rng, grid) * 0.8)
    for _ in range(rng.integers(0, 5) if rng.random() < 0.3 else 0):
        picture = bubble(rng, grid, picture)
    distance = np.hypot(grid.x, grid.y)
    picture = picture * (1 - rng.uniform(0, 0.35) * np.clip(distance, 0, 1) ** 2)[..., None]
    if facts["frame"]:
        facts["lens"] = float(rng.uniform(0.52, 0.66))
        rim = smoothstep(facts["lens"] - distance, 0.03)
        picture = blend(picture, np.asarray((0.02, 0.02, 0.03), np.float32), rim)
    return picture


def hair(rng: np.random.Generator, grid: Grid) -> Field:
    """A thin, gently bent line across the picture."""
    start = rng.uniform(-0.7, 0.7, 2)
    points = curve(rng, start, rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.1), 0.6)
    return stroke(grid.size, points, rng.uniform(0.002, 0.007), taper=True)


def ruler(rng: np.random.Generator, grid: Grid) -> Field:
    """Tick marks along one side, every fifth longer."""
    side = rng.uniform(0.36, 0.46) * rng.choice([-1, 1])
    marks = np.zeros(grid.size, np.float32)
    vertical = rng.random() < 0.5
    for number, place in enumerate(np.arange(-0.6, 0.6, 0.05)):
        length = 0.05 if number % 5 == 0 else 0.025
        ends = np.array([[side, place], [side + np.sign(side) * length, place]])
        marks = np.maximum(marks, stroke(grid.size, ends if vertical else ends[:, ::-1], 0.004))
    return marks


def bubble(rng: np.random.Generator, grid: Grid, picture: Picture) -> Picture:
    """A gel bubble: a bright ring with a highlight."""
    centre, radius = rng.uniform(-0.45, 0.45, 2), rng.uniform(0.01, 0.035)
    distance = np.hypot(grid.y - centre[0], grid.x - centre[1])
    ring = np.exp(-(((distance - radius) / (0.18 * radius)) ** 2)).astype(np.float32)
    shine = np.hypot(grid.y - centre[0] + 0.4 * radius, grid.x - centre[1] + 0.4 * radius)
    shine = np.exp(-((shine / (0.25 * radius)) ** 2)).astype(np.float32)
    return blend(picture, np.ones(3, np.float32), np.clip(0.35 * ring + 0.8 * shine, 0, 1))
