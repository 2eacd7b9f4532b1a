"""Any image size for networks that halve it: pad right and bottom by replication, run, crop.

>>> logits = run_padded(self.segment, image, multiple=32)

Outputs at a lower resolution (deep supervision) are cropped in proportion, rounded up, so that
they still cover the whole image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

import torch
from torch import Tensor
from torch.nn import functional as F

Outputs = TypeVar("Outputs", Tensor, tuple[Tensor, ...])


def missing(length: int, multiple: int) -> int:
    """How many pixels a side lacks to the next multiple."""
    # so written, the padded side is multiple·q: the exporter can halve it without nested remainders
    return (length + multiple - 1) // multiple * multiple - length


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """The image (B,C,H,W) with its last row and column repeated until H and W are multiples."""
    height, width = image.shape[-2:]
    bottom, right = missing(height, multiple), missing(width, multiple)
    # an exported graph of dynamic size keeps the (empty) padding instead of this branch
    if not torch.compiler.is_exporting() and bottom == 0 and right == 0:
        return image
    return F.pad(image, (0, right, 0, bottom), mode="replicate")


def crop_to_image(output: Tensor, padded: Tensor, image: Tensor) -> Tensor:
    """The part of `output` (B,C,h,w), computed from `padded`, that covers `image`."""
    height = -(-image.shape[-2] * output.shape[-2] // padded.shape[-2])
    width = -(-image.shape[-1] * output.shape[-1] // padded.shape[-1])
    return output[..., :height, :width]


@overload
def run_padded(network: Callable[[Tensor], Tensor], image: Tensor, multiple: int) -> Tensor: ...
@overload
def run_padded(
    network: Callable[[Tensor], tuple[Tensor, ...]], image: Tensor, multiple: int
) -> tuple[Tensor, ...]: ...
def run_padded(network: Callable[[Tensor], Outputs], image: Tensor, multiple: int) -> Outputs:
    """`network(image)` for any size: padded before, every output cropped after."""
    padded = pad_to_multiple(image, multiple)
    outputs = network(padded)
    if padded is image:
        return outputs
    if isinstance(outputs, Tensor):
        return crop_to_image(outputs, padded, image)
    return tuple(crop_to_image(output, padded, image) for output in outputs)
