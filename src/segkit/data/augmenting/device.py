"""Plans executed on a whole batch with torch, on the device where the pictures live.

One grid per picture is composed from its matrix and field and sampled once; photometric steps run
on the pictures that have them. Values are those of `augment_cpu` up to the rounding of OpenCV's
fixed-point interpolation (noise maps are drawn on the device and differ).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data.augmenting.policy import AugmentationPlan
from segkit.data.augmenting.skin import corner_shade, hair_shade
from segkit.ops.exact import without_tf32


def apply(
    plans: Sequence[AugmentationPlan], images: Tensor, masks: Tensor
) -> tuple[Tensor, Tensor]:
    """uint8 (B, H, W, 3) and (B, H, W) as the plans have them."""
    with without_tf32():  # coordinates of hundreds of pixels are products, too
        return _apply(plans, images, masks)


def _apply(
    plans: Sequence[AugmentationPlan], images: Tensor, masks: Tensor
) -> tuple[Tensor, Tensor]:
    images, masks = _geometry(plans, images, masks)
    values = images.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
    for turn in range(max((len(plan.steps) for plan in plans), default=0)):
        _photometry(plans, turn, values)
    for row, plan in enumerate(plans):
        for top, left, bottom, right in plan.holes:
            values[row, :, top:bottom, left:right] = 0
    return values.to(torch.uint8).permute(0, 2, 3, 1), masks


def _geometry(
    plans: Sequence[AugmentationPlan], images: Tensor, masks: Tensor
) -> tuple[Tensor, Tensor]:
    """All pictures that move, sampled once: linearly, and masks by nearest neighbour."""
    moved = [row for row, plan in enumerate(plans) if not plan.still]
    if not moved:
        return images, masks
    rows = torch.tensor(moved, device=images.device)
    grid = _grid([plans[row] for row in moved], images.device)
    pixels = images[rows].permute(0, 3, 1, 2).float()
    sampled = F.grid_sample(pixels, grid, "bilinear", "zeros", align_corners=True)
    classes = masks[rows].unsqueeze(1).float()
    nearest = F.grid_sample(classes, grid, "nearest", "zeros", align_corners=True)
    images, masks = images.clone(), masks.clone()
    images[rows] = sampled.round().to(torch.uint8).permute(0, 2, 3, 1)
    masks[rows] = nearest[:, 0].round().to(masks.dtype)
    return images, masks


def _grid(plans: Sequence[AugmentationPlan], device: torch.device) -> Tensor:
    """(B, H, W, 2): where each output pixel comes from, in grid_sample's units."""
    height, width = plans[0].height, plans[0].width
    matrix = torch.from_numpy(np.stack([plan.matrix[:2] for plan in plans])).float().to(device)
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    place = torch.stack([x, y], -1).expand(len(plans), -1, -1, -1)
    if any(plan.warp is not None for plan in plans):
        place = place + torch.stack([_field(plan, device) for plan in plans])
    source = torch.einsum("bij,bhwj->bhwi", matrix[:, :, :2], place) + matrix[:, None, None, :, 2]
    return 2 * source / source.new_tensor([max(width - 1, 1), max(height - 1, 1)]) - 1


def _field(plan: AugmentationPlan, device: torch.device) -> Tensor:
    """(H, W, 2): the displacement of each output pixel."""
    if plan.warp is None:
        return torch.zeros(plan.height, plan.width, 2, device=device)
    coarse = torch.from_numpy(plan.warp).float().to(device).permute(2, 0, 1)[None]
    size = (plan.height, plan.width)
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True)[0].permute(1, 2, 0)


def _photometry(plans: Sequence[AugmentationPlan], turn: int, values: Tensor) -> None:
    """The step number `turn` of every picture that has one, kind by kind, in place."""
    kinds: dict[str, list[int]] = {}
    for row, plan in enumerate(plans):
        if turn < len(plan.steps):
            kinds.setdefault(plan.steps[turn][0], []).append(row)
    for kind, found in kinds.items():
        rows = torch.tensor(found, device=values.device)
        numbers = np.array([plans[row].steps[turn][1] for row in found], np.float32)
        drawn = torch.from_numpy(numbers).to(values.device)
        seeds = [plans[row].seed for row in found]
        values[rows] = _STEPS[kind](values[rows], drawn, seeds).round().clamp(0, 255)


def _linear(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    matrix, offset = numbers[:, :9].view(-1, 3, 3), numbers[:, 9:]
    return torch.einsum("bij,bjhw->bihw", matrix, values) + offset[:, :, None, None]


def _gamma(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    return 255 * (values / 255) ** numbers[:, :, None, None]


def _blur(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    """A separable 5-tap Gaussian with a sigma of its own for every picture."""
    offsets = torch.arange(-2, 3, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * numbers**2))
    kernel = kernel / kernel.sum(1, keepdim=True)  # (B, 5)
    batch, channels, height, width = values.shape
    padded = F.pad(values, (2, 2, 2, 2), mode="reflect").reshape(
        1, batch * channels, height + 4, -1
    )
    each = kernel.repeat_interleave(channels, 0)
    down = F.conv2d(padded, each[:, None, :, None], groups=batch * channels)
    both = F.conv2d(down, each[:, None, None, :], groups=batch * channels)
    return both.view(batch, channels, height, width)


def _noise(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    """One map for all channels of a picture, from the seed of its plan."""
    maps = []
    for seed in seeds:
        generator = torch.Generator(values.device).manual_seed(seed)
        size = (1, *values.shape[2:])
        maps.append(torch.randn(size, generator=generator, device=values.device))
    return values + torch.stack(maps) * numbers[:, :, None, None]


def _hair(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    x, y = _places(values)
    each = [column[:, None, None] for column in numbers.unbind(1)]
    return values * hair_shade(x, y, max(values.shape[2:]), each)[:, None]


def _vignette(values: Tensor, numbers: Tensor, seeds: list[int]) -> Tensor:
    x, y = _places(values)
    each = [column[:, None, None] for column in numbers.unbind(1)]
    return values * corner_shade(x, y, values.shape[2], values.shape[3], each)[:, None]


def _places(values: Tensor) -> tuple[Tensor, Tensor]:
    """x (1, 1, W) and y (1, H, 1) of the pixels."""
    y, x = (
        torch.arange(side, device=values.device, dtype=values.dtype) for side in values.shape[2:]
    )
    return x[None, None], y[None, :, None]


_STEPS = {
    "linear": _linear,
    "gamma": _gamma,
    "blur": _blur,
    "noise": _noise,
    "hair": _hair,
    "vignette": _vignette,
}
