"""The operations of policies. Angles in degrees, lengths in fractions of the side, uint8 values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from segkit.data.augmenting.policy import AugmentationPlan, Op, about_centre

Range = tuple[float, float]


@dataclass(frozen=True)
class FlipX(Op):
    """Left and right change places."""

    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.move(np.array([[-1.0, 0, plan.width - 1], [0, 1, 0], [0, 0, 1]]))


@dataclass(frozen=True)
class FlipY(Op):
    """Top and bottom change places."""

    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.move(np.array([[1.0, 0, 0], [0, -1, plan.height - 1], [0, 0, 1]]))


@dataclass(frozen=True)
class QuarterTurn(Op):
    """0, 90, 180 or 270 degrees; on a picture that is not square 0 or 180."""

    p: float = 1.0

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        turns = int(rng.integers(4))
        if plan.height != plan.width:
            turns = turns // 2 * 2
        cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
        plan.move(about_centre(plan, np.array([[cosine, sine], [-sine, cosine]], float)))


@dataclass(frozen=True)
class Rotate(Op):
    """A new angle for each picture."""

    degrees: Range = (-180.0, 180.0)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        angle = math.radians(rng.uniform(*self.degrees))
        cosine, sine = math.cos(angle), math.sin(angle)
        plan.move(about_centre(plan, np.array([[cosine, sine], [-sine, cosine]])))


@dataclass(frozen=True)
class Scale(Op):
    """Larger or smaller about the middle; `apart` draws x and y independently."""

    factor: Range = (0.9, 1.1)
    apart: bool = False
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        x = rng.uniform(*self.factor)
        y = rng.uniform(*self.factor) if self.apart else x
        plan.move(about_centre(plan, np.diag([1 / x, 1 / y])))


@dataclass(frozen=True)
class Shear(Op):
    """One angle for both axes."""

    degrees: Range = (-10.0, 10.0)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        slope = math.tan(math.radians(rng.uniform(*self.degrees)))
        forward = np.array([[1, slope], [slope, 1]])
        plan.move(about_centre(plan, np.linalg.inv(forward)))


@dataclass(frozen=True)
class Shift(Op):
    """Along x and y independently, in fractions of the side."""

    fraction: Range = (-0.1, 0.1)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        x = rng.uniform(*self.fraction) * plan.width
        y = rng.uniform(*self.fraction) * plan.height
        plan.move(np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]))


@dataclass(frozen=True)
class CropResize(Op):
    """A crop of some area and aspect, enlarged to the whole; ten tries, else the whole picture."""

    area: Range = (0.8, 1.0)
    ratio: Range = (3 / 4, 4 / 3)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        whole = plan.height * plan.width
        for _ in range(10):
            area = rng.uniform(*self.area) * whole
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= plan.width and 0 < height <= plan.height:
                top = int(rng.integers(plan.height - height + 1))
                left = int(rng.integers(plan.width - width + 1))
                plan.move(_crop(plan, top, left, height, width))
                return


def _crop(plan: AugmentationPlan, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Output pixel centres to the crop's, as a resize with half-pixel centres maps them."""
    x, y = width / plan.width, height / plan.height
    return np.array([[x, 0, left + x / 2 - 0.5], [0, y, top + y / 2 - 0.5], [0, 0, 1]])


@dataclass(frozen=True)
class PiecewiseAffine(Op):
    """A coarse grid whose nodes are displaced a little; nodes stay inside the picture."""

    cells: tuple[int, int] = (2, 4)
    sigma: Range = (0.008, 0.03)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        rows, columns = rng.integers(self.cells[0], self.cells[1] + 1, 2)
        sigma = rng.uniform(*self.sigma, (rows, columns, 1))
        moved = rng.normal(size=(rows, columns, 2)) * sigma * (plan.width, plan.height)
        x = np.linspace(0, plan.width - 1, columns)[None, :]
        y = np.linspace(0, plan.height - 1, rows)[:, None]
        moved[..., 0] = np.clip(x + moved[..., 0], 0, plan.width - 1) - x
        moved[..., 1] = np.clip(y + moved[..., 1], 0, plan.height - 1) - y
        add_warp(plan, moved)


@dataclass(frozen=True)
class Elastic(Op):
    """A smooth random field: `amount` is its deviation, `cell` its coarseness (of a side)."""

    amount: Range = (0.005, 0.015)
    cell: float = 0.125
    p: float = 0.3

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        nodes = max(3, round(1 / self.cell)) + 1
        coarse = rng.normal(size=(nodes, nodes, 2)) * rng.uniform(*self.amount)
        fine = _smooth(_smooth(_denser(_denser(coarse))))
        add_warp(plan, fine * (plan.width, plan.height))


def add_warp(plan: AugmentationPlan, warp: np.ndarray) -> None:
    """Fields add up on the finer of the two grids."""
    if plan.warp is None:
        plan.warp = warp
        return
    shape = tuple(np.maximum(plan.warp.shape, warp.shape)[:2])
    plan.warp = spread(plan.warp, *shape) + spread(warp, *shape)


def spread(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Linear interpolation of a (gh, gw, 2) grid to (height, width, 2), corners on corners."""
    rows = _hat(grid.shape[0], height)
    columns = _hat(grid.shape[1], width)
    return np.stack([rows @ grid[..., i] @ columns.T for i in (0, 1)], -1)


def _hat(nodes: int, points: int) -> np.ndarray:
    """The matrix of linear interpolation from `nodes` to `points`."""
    position = np.linspace(0, nodes - 1, points)[:, None]
    return np.clip(1 - np.abs(position - np.arange(nodes)[None]), 0, None)


def _denser(grid: np.ndarray) -> np.ndarray:
    return spread(grid, 2 * grid.shape[0] - 1, 2 * grid.shape[1] - 1)


def _smooth(grid: np.ndarray) -> np.ndarray:
    """A 1-2-1 filter along both axes."""
    for axis in (0, 1):
        ends = [(1, 1) if i == axis else (0, 0) for i in range(3)]
        padded = np.pad(grid, ends, mode="edge")
        low, high = np.delete(padded, [-1, -2], axis), np.delete(padded, [0, 1], axis)
        grid = (low + 2 * grid + high) / 4
    return grid


@dataclass(frozen=True)
class Contrast(Op):
    """127 + α·(v − 127); α is drawn per channel with probability `per_channel`."""

    alpha: Range = (0.8, 1.2)
    per_channel: float = 0.0
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        apart = rng.random() < self.per_channel
        alpha = rng.uniform(*self.alpha, 3 if apart else 1) * np.ones(3)
        plan.steps.append(linear(np.diag(alpha), 127 * (1 - alpha)))


@dataclass(frozen=True)
class Brightness(Op):
    """Values plus an amount (of 255)."""

    amount: Range = (-0.15, 0.15)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(linear(np.eye(3), np.full(3, 255 * rng.uniform(*self.amount))))


@dataclass(frozen=True)
class ColourJitter(Op):
    """Saturation by a factor and hue by an angle, as one linear map of the channels (RGB)."""

    saturation: Range = (0.8, 1.2)
    hue: Range = (-10.0, 10.0)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        angle, amount = math.radians(rng.uniform(*self.hue)), rng.uniform(*self.saturation)
        turn = np.array(
            [
                [1, 0, 0],
                [0, math.cos(angle), -math.sin(angle)],
                [0, math.sin(angle), math.cos(angle)],
            ]
        )
        turn[1:] *= amount
        plan.steps.append(linear(np.linalg.inv(_YIQ) @ turn @ _YIQ, np.zeros(3)))


_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


@dataclass(frozen=True)
class Gamma(Op):
    """255·(v / 255)^γ."""

    gamma: Range = (0.8, 1.25)
    p: float = 0.3

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(("gamma", (float(rng.uniform(*self.gamma)),)))


@dataclass(frozen=True)
class Blur(Op):
    """A Gaussian of 5 × 5 pixels, mirrored at the border."""

    sigma: Range = (1.0, 1.0)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(("blur", (float(rng.uniform(*self.sigma)),)))


@dataclass(frozen=True)
class Noise(Op):
    """Gaussian noise, one map for all channels; `sigma` in uint8 steps."""

    sigma: Range = (1.0, 8.0)
    p: float = 0.5

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(("noise", (float(rng.uniform(*self.sigma)),)))


@dataclass(frozen=True)
class CutOut(Op):
    """Black rectangles in the image; the mask stays."""

    count: tuple[int, int] = (1, 4)
    side: Range = (0.05, 0.2)
    p: float = 0.3

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        for _ in range(rng.integers(self.count[0], self.count[1] + 1)):
            height = round(rng.uniform(*self.side) * plan.height)
            width = round(rng.uniform(*self.side) * plan.width)
            top = int(rng.integers(plan.height - height + 1))
            left = int(rng.integers(plan.width - width + 1))
            plan.holes.append((top, left, top + height, left + width))


def linear(matrix: np.ndarray, offset: np.ndarray) -> tuple[str, tuple[float, ...]]:
    """A step v' = A·v + b on the channels: nine numbers, then three."""
    return "linear", tuple(float(v) for v in [*matrix.ravel(), *offset])
