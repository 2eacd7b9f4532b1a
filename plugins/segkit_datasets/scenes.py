"""The siblings of `demo`: endoscopy, ultrasound, nuclei, retinal vessels; exact masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

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

Sample = tuple[str, Mask, Mask, dict[str, Any]]
Drawn = tuple[Mask, Mask, dict[str, Any]]


def _series(
    draw: Any, prefix: str, kind: int, count: int, size: tuple[int, int], seed: int
) -> Iterator[Sample]:
    for index in range(count):
        picture, mask, facts = draw(np.random.default_rng([seed, index, kind]), Grid.of(size))
        yield f"{prefix}_{index:04d}", picture, mask, facts


def generate_polyps(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """Colon mucosa with folds, a dark lumen, highlights, and one or two polyps (sometimes none)."""
    return _series(draw_polyp, "polyp", 2, count, size, seed)


def generate_ultrasound(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """Breast-like ultrasound: layers, speckle, a dark lesion with or without a shadow below."""
    return _series(draw_ultrasound, "scan", 3, count, size, seed)


def generate_nuclei(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """Many nuclei: fluorescence on black, or stained tissue."""
    return _series(draw_nuclei, "nuclei", 4, count, size, seed)


def generate_vessels(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """Eye fundus: thin vessel trees that leave the optic disc."""
    return _series(draw_vessels, "fundus", 5, count, size, seed)


def draw_polyp(rng: np.random.Generator, grid: Grid) -> Drawn:
    """One endoscopic picture."""
    tone = np.array([0.80, 0.42, 0.34]) * rng.uniform(0.85, 1.1)
    folds = np.sin(
        6 * np.hypot(grid.x - 0.5, grid.y + rng.uniform(-0.6, 0.6)) * np.pi
        + 1.2 * clouds(rng, grid.size, 3, 2)
    )
    picture = colour(
        (0.85 + 0.1 * folds + 0.06 * clouds(rng, grid.size, 8, 3)).astype(np.float32), tuple(tone)
    )
    lumen = outline(rng, grid, tuple(rng.uniform(-0.5, 0.5, 2)), rng.uniform(0.1, 0.2), 0.2)
    picture = blend(
        picture, np.asarray((0.13, 0.04, 0.03), np.float32), 0.9 * smoothstep(lumen, 0.25)
    )
    picture = _red_threads(rng, grid, picture)
    mask = np.zeros(grid.size, bool)
    parts = int(rng.choice([0, 1, 2], p=[0.04, 0.84, 0.12]))
    for _ in range(parts):
        body = outline(
            rng, grid, tuple(rng.uniform(-0.26, 0.26, 2)), rng.uniform(0.08, 0.26), 0.1, 1.8
        )
        picture = _bump(rng, grid, picture, body)
        mask |= body < 0
    for _ in range(rng.integers(3, 14)):
        spot = outline(
            rng, grid, tuple(rng.uniform(-0.5, 0.5, 2)), rng.uniform(0.004, 0.016), 0.3, 3
        )
        picture = blend(picture, np.ones(3, np.float32), 0.9 * smoothstep(spot, 0.008))
    distance = np.hypot(grid.x, grid.y)
    picture = picture * np.clip(1.12 - 0.75 * distance**2, 0, 1)[..., None]
    corner = smoothstep(0.68 - distance, 0.02)
    picture = blend(picture, np.zeros(3, np.float32), corner)
    mask &= distance < 0.68
    return finish(rng, picture, 0.012, 0.6), mask.astype(np.uint8), {"parts": parts}


def _red_threads(rng: np.random.Generator, grid: Grid, picture: Picture) -> Picture:
    """Fine vessels of the mucosa."""
    for _ in range(rng.integers(8, 20)):
        line = curve(
            rng, rng.uniform(-0.6, 0.6, 2), rng.uniform(0, 6.3), rng.uniform(0.15, 0.4), 1.2
        )
        thread = cv2.GaussianBlur(stroke(grid.size, line, 0.003), (0, 0), 0.8)
        picture = blend(picture, picture * np.array([0.85, 0.6, 0.6], np.float32), 0.7 * thread)
    return picture


def _bump(rng: np.random.Generator, grid: Grid, picture: Picture, body: Field) -> Picture:
    """A polyp: a shaded dome of the same tissue with a shadow around its foot."""
    shadow = smoothstep(np.abs(body) - 0.01, 0.06) * 0.35
    picture = picture * (1 - shadow)[..., None]
    depth = np.clip(-body / (-body.min() + 1e-6), 0, 1)
    height = np.sqrt(1 - (1 - depth) ** 2)
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(height, (0, 0), 1.5))
    turn = rng.uniform(0, 2 * np.pi)
    light = (np.cos(turn) * slope_x + np.sin(turn) * slope_y) * min(grid.size) * 0.03
    tint = np.array([0.86, 0.47, 0.40]) * rng.uniform(0.9, 1.12) + rng.normal(0, 0.03, 3)
    texture = 0.75 + 0.2 * height + light + 0.05 * clouds(rng, grid.size, 20, 2)
    return blend(picture, colour(texture.astype(np.float32), tuple(tint)), smoothstep(body, 0.015))


def draw_ultrasound(rng: np.random.Generator, grid: Grid) -> Drawn:
    """One ultrasound picture: an echo map times speckle, compressed like a screen does."""
    depth = grid.y + 0.03 * noise(rng, grid.size, 3)
    echo = 0.32 + 0.05 * clouds(rng, grid.size, 5, 3)
    for place in np.sort(rng.uniform(-0.5, 0.5, rng.integers(4, 8))):
        width = rng.uniform(0.006, 0.03)
        echo += rng.uniform(-0.12, 0.3) * np.exp(-(((depth - place) / width) ** 2))
    echo[depth < -0.44] = 0.7
    parts = int(rng.choice([0, 1, 2], p=[0.06, 0.88, 0.06]))
    malignant = bool(rng.random() < 0.4)
    mask = np.zeros(grid.size, bool)
    for _ in range(parts):
        centre = (rng.uniform(-0.2, 0.15), rng.uniform(-0.28, 0.28))
        rough = 0.35 if malignant else 0.1
        body = outline(rng, grid, centre, rng.uniform(0.07, 0.2), rough, 2.2)
        body += (0.015 if malignant else 0.004) * noise(rng, grid.size, 16)
        inside = smoothstep(body, 0.02 if malignant else 0.012)
        echo = echo * (1 - inside) + inside * (
            rng.uniform(0.05, 0.13) + 0.03 * clouds(rng, grid.size, 9, 2)
        )
        echo *= _below(body, grid, rng.uniform(-0.55, -0.2) if malignant else rng.uniform(0.1, 0.5))
        mask |= body < 0
    grains = [
        cv2.GaussianBlur(rng.standard_normal(grid.size).astype(np.float32), (0, 0), 1.9, sigmaY=0.9)
        for _ in "xy"
    ]
    speckle = np.hypot(*grains)
    field = np.clip(echo, 0.01, None) * speckle / speckle.mean()
    screen = (
        np.log1p(30 * field) / np.log1p(30 * 1.2)
    ) ** 2.2  # the screen's compression and gamma
    screen *= 1 - 0.25 * np.clip(grid.y + 0.5, 0, 1)
    picture = np.repeat(np.clip(screen, 0, 1)[..., None].astype(np.float32), 3, axis=2)
    facts = {"parts": parts, "cls": ("malignant" if malignant else "benign") if parts else "normal"}
    return finish(rng, picture, 0.0, 0.35), mask.astype(np.uint8), facts


def _below(body: Field, grid: Grid, strength: float) -> Field:
    """Shadow (negative) or enhancement (positive) in the columns below a lesion."""
    inside = body < 0
    if not inside.any():
        return np.ones(grid.size, np.float32)
    touched: Field = np.asarray(inside.any(0))
    width = touched.astype(np.float32)[None]
    columns: Field = cv2.GaussianBlur(width, (0, 0), 0.02 * min(grid.size)).reshape(-1)
    bottom = np.median((grid.size[0] - inside[::-1].argmax(0))[touched])
    fade = np.clip((np.arange(grid.size[0]) - bottom) / (0.06 * grid.size[0]), 0, 1)
    return (1 + strength * fade[:, None] * columns[None]).astype(np.float32)


def draw_nuclei(rng: np.random.Generator, grid: Grid) -> Drawn:
    """One field of nuclei that do not overlap in the truth; they may touch."""
    stained = bool(rng.random() < 0.3)
    radius = rng.uniform(0.018, 0.05)
    bodies = _place(rng, grid, int(rng.integers(8, 60)), radius)
    light = np.zeros(grid.size, np.float32)
    mask = np.zeros(grid.size, np.uint8)
    texture = clouds(rng, grid.size, 30, 2)
    for body in bodies:
        mask[body < 0] = 1
        glow = smoothstep(body, 0.35 * radius) * rng.uniform(0.35, 1.0) * (1 + 0.15 * texture)
        light = np.maximum(light, glow.astype(np.float32))
    facts = {"nuclei": len(bodies), "cls": "stained" if stained else "fluorescence"}
    if stained:
        tissue = colour(
            (0.9 + 0.05 * clouds(rng, grid.size, 6, 4)).astype(np.float32), (0.93, 0.76, 0.87)
        )
        picture = blend(
            tissue, np.asarray((0.36, 0.22, 0.52), np.float32), np.clip(0.9 * light, 0, 1)
        )
        return finish(rng, picture, 0.02, 0.5), mask, facts
    haze = 0.03 + 0.012 * clouds(rng, grid.size, 3, 2)
    picture = np.repeat((haze + 0.75 * rng.uniform(0.4, 1) * light)[..., None], 3, axis=2)
    return finish(rng, picture.astype(np.float32), 0.015, 0.5), mask, facts


def _place(rng: np.random.Generator, grid: Grid, count: int, radius: float) -> list[Field]:
    """Outlines of nuclei at places that keep their distance, so that no pixel belongs to two."""
    centres: list[np.ndarray] = []
    reach = np.array(grid.size) / min(grid.size) / 2
    bodies = []
    for _ in range(6 * count):
        centre = rng.uniform(-reach, reach)
        if all(np.hypot(*(centre - other)) > 2.25 * radius for other in centres):
            centres.append(centre)
            bodies.append(
                outline(rng, grid, tuple(centre), radius * rng.uniform(0.7, 1.0), 0.06, 1.5)
            )
        if len(centres) == count:
            break
    return bodies


def draw_vessels(rng: np.random.Generator, grid: Grid) -> Drawn:
    """One fundus picture: retina, disc, macula, arteries and veins that branch and thin out."""
    distance = np.hypot(grid.x, grid.y)
    tone = np.array([0.76, 0.38, 0.18]) * rng.uniform(0.8, 1.1)
    glow = (1.0 - 0.5 * distance**2 + 0.07 * clouds(rng, grid.size, 5, 4)).astype(np.float32)
    picture = colour(glow, tuple(tone))
    side = rng.choice([-1, 1])
    disc = np.array([side * rng.uniform(0.2, 0.28), rng.uniform(-0.05, 0.05)])  # x, y
    spot = np.hypot(grid.x - disc[0], grid.y - disc[1])
    picture = blend(
        picture,
        np.asarray((0.98, 0.83, 0.55), np.float32),
        0.85 * smoothstep((spot - 0.06).astype(np.float32), 0.03),
    )
    macula = np.hypot(grid.x + side * 0.1, grid.y - disc[1])
    picture = picture * (1 - 0.35 * np.exp(-((macula / 0.09) ** 2)))[..., None]
    cover = np.zeros(grid.size, np.float32)
    for number in range(rng.integers(5, 9)):
        quadrant = (
            (0.35 + 0.5 * (number % 2))
            * np.pi
            * (1 if number % 4 < 2 else -1)
            * rng.uniform(0.8, 1.2)
        )
        heading = quadrant if side < 0 else np.pi - quadrant
        _grow(rng, grid, cover, disc, heading, rng.uniform(0.010, 0.016), 0)
    cover[distance > 0.485] = 0
    dark = picture * np.array([0.62, 0.42, 0.5], np.float32)
    picture = blend(picture, dark, np.clip(cover * rng.uniform(0.65, 0.95), 0, 1))
    rim = smoothstep((0.49 - distance).astype(np.float32), 0.01)
    picture = blend(picture, np.zeros(3, np.float32), rim)
    return finish(rng, picture, 0.012, 0.35), (cover >= 0.5).astype(np.uint8), {}


def _grow(
    rng: np.random.Generator,
    grid: Grid,
    cover: Field,
    start: np.ndarray,
    heading: float,
    width: float,
    depth: int,
) -> None:
    """Draw a vessel into `cover` and grow branches from it."""
    line = curve(rng, start, heading, rng.uniform(0.22, 0.42) * 0.85**depth, 0.7, 32)
    np.maximum(cover, stroke(grid.size, line, width, taper=depth > 0), out=cover)
    if depth == 4 or width < 0.0025:
        return
    end = np.arctan2(*(line[-1] - line[-3])[::-1])
    for turn in (rng.uniform(0.2, 0.6), -rng.uniform(0.2, 0.6)):
        _grow(rng, grid, cover, line[-1], end + turn, width * rng.uniform(0.6, 0.8), depth + 1)
    for place in rng.integers(8, 28, size=rng.integers(0, 3)):
        turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
        _grow(rng, grid, cover, line[place], heading + turn, width * 0.5, depth + 2)
