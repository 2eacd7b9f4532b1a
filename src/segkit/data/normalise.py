"""From stored pixels to what a network sees: the one place, in training as in prediction.

`normalise` takes a numpy array or a torch tensor (uint8, NHWC) and gives float32 NCHW of the same
kind. All rules are per image, so a batch of one and a batch of many give the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Rule = Literal["unit", "minmax", "minmax_signed", "half", "imagenet"]
Colour = Literal["rgb", "ycrcb"]
Pixels = TypeVar("Pixels", np.ndarray, "torch.Tensor")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# ITU-R 601 in 14-bit fixed point, the integers of OpenCV's 8-bit conversion
_Y = (4899, 9617, 1868)
_CR, _CB, _SHIFT = 11682, 9241, 14


def normalise(images: Pixels, rule: str = "unit", colour: str = "rgb") -> Pixels:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) after the colour conversion and the rule."""
    values = _to_float(convert_colour(images, colour))
    if rule == "unit":
        return values / 255.0
    if rule == "half":
        return values / 127.5 - 1.0
    if rule == "imagenet":
        return (values / 255.0 - _channels(values, IMAGENET_MEAN)) / _channels(values, IMAGENET_STD)
    if rule == "minmax":
        return _minmax(values)
    if rule == "minmax_signed":
        return _minmax(values, signed=True)
    raise ValueError(f"unknown normalisation {rule!r}")


def convert_colour(images: Pixels, colour: str) -> Pixels:
    """RGB as it is, or YCrCb. Padding (black rows below, black columns right) stays 0."""
    if colour == "rgb":
        return images
    if isinstance(images, np.ndarray):
        return _ycrcb(images.astype(np.int32), padding(images)).astype(np.uint8)
    import torch

    return _ycrcb(images.to(torch.int32), padding(images)).to(torch.uint8)


def padding(images: Pixels) -> Any:
    """(N, H, W, 1), true below the last row and right of the last column that is not all black."""
    lit = (images != 0).any(-1)
    rows, columns = lit.any(2), lit.any(1)  # (N, H), (N, W)
    below, right = _after_last(rows), _after_last(columns)
    return (below[:, :, None] | right[:, None, :])[..., None]


def _after_last(used: Any) -> Any:
    """True behind the last true of each row."""
    if isinstance(used, np.ndarray):
        return np.cumsum(used[:, ::-1], 1)[:, ::-1] == 0
    return used.flip(1).cumsum(1).flip(1) == 0


def _ycrcb(image: Any, blank: Any) -> Any:
    """int32 (N, H, W, 3) RGB -> YCrCb, rounded as OpenCV does."""
    half = 1 << (_SHIFT - 1)
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    luma = (red * _Y[0] + green * _Y[1] + blue * _Y[2] + half) >> _SHIFT
    cr = ((red - luma) * _CR + (128 << _SHIFT) + half) >> _SHIFT
    cb = ((blue - luma) * _CB + (128 << _SHIFT) + half) >> _SHIFT
    if isinstance(image, np.ndarray):
        return np.where(blank, 0, np.stack([luma, cr, cb], -1).clip(0, 255))
    import torch

    return torch.stack([luma, cr, cb], -1).clamp(0, 255).masked_fill(blank, 0)


def _to_float(images: Any) -> Any:
    if isinstance(images, np.ndarray):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
    return images.permute(0, 3, 1, 2).contiguous().float()


def _channels(values: Any, constants: tuple[float, ...]) -> Any:
    """Per-channel constants of the kind of `values`, shaped to broadcast."""
    if isinstance(values, np.ndarray):
        return np.asarray(constants, np.float32)[None, :, None, None]
    return values.new_tensor(constants)[None, :, None, None]


def _minmax(values: Any, signed: bool = False) -> Any:
    """Per image over all channels and pixels to [0, 1] or [-1, 1]; a constant one becomes zeros."""
    flat = values.reshape(values.shape[0], -1)  # len() would fix the batch of an export
    low, high = (
        (flat.min(1), flat.max(1))
        if isinstance(values, np.ndarray)
        else (flat.amin(1), flat.amax(1))
    )
    low, span = low[:, None, None, None], (high - low)[:, None, None, None]
    constant = span == 0
    scaled = (values - low) / (span + constant)
    return (2.0 * scaled - 1.0) * ~constant if signed else scaled
