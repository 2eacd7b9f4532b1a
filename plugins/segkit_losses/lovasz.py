"""The Lovász extension of the Jaccard loss (Berman, Triki and Blaschko, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.api import NoConfig


def jaccard_steps(truth_sorted: Tensor) -> Tensor:
    """How much the Jaccard loss grows with each further error, the largest error first."""
    positives = truth_sorted.sum()
    intersection = positives - truth_sorted.cumsum(0)
    union = positives + (1 - truth_sorted).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def extension(errors: Tensor, truth: Tensor) -> Tensor:
    """The Lovász extension at the given pixel errors of one image and class."""
    order = errors.argsort(descending=True)
    return torch.dot(F.relu(errors[order]), jaccard_steps(truth[order]))


def hinge(logits: Tensor, mask: Tensor) -> Tensor:
    """Binary form for one image: hinge errors of the logits. Both are flat."""
    truth = mask.to(logits.dtype)
    return extension(1 - logits * (2 * truth - 1), truth)


def softmax_jaccard(logits: Tensor, mask: Tensor) -> Tensor:
    """Multi-class form for one image (K, N): the mean over the classes that are there."""
    probability = logits.softmax(0)
    present = mask.unique().tolist()
    terms = []
    for index in present:
        truth = (mask == index).to(logits.dtype)
        terms.append(extension((truth - probability[index]).abs(), truth))
    return torch.stack(terms).mean()


def make_lovasz(config: NoConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean over images: hinge for one logit, softmax for several."""

    def loss(logits: Tensor, mask: Tensor) -> Tensor:
        flat = logits.float().flatten(2) if logits.dtype == torch.float16 else logits.flatten(2)
        pairs = zip(flat, mask.flatten(1), strict=True)
        if logits.shape[1] == 1:
            return torch.stack([hinge(image[0], truth) for image, truth in pairs]).mean()
        return torch.stack([softmax_jaccard(image, truth) for image, truth in pairs]).mean()

    return loss
