"""The deterministic fill of a network that needs no framework's random numbers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

import segkit
from segkit_qtseg.layout import LAYOUTS

ORIGINAL = LAYOUTS["original"]


def uniform(j: int, n: int) -> np.ndarray:
    """n doubles in [-1, 1): an integer hash of their index, stream j."""
    h = (np.arange(n, dtype=np.uint64) * 2654435761 + j * 2246822519 + 374761393) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 2246822519) & 0xFFFFFFFF
    h ^= h >> 13
    h = (h * 3266489917) & 0xFFFFFFFF
    h ^= h >> 16
    return h / 2**31 - 1


def values(name: str, shape: torch.Size, j: int) -> Tensor:
    """The fill of tensor number j by the kind of thing it is."""
    u = torch.from_numpy(uniform(j, math.prod(shape))).reshape(shape)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_var"):
        return 1 + 0.5 * u
    if name.endswith("gamma"):
        return torch.full_like(u, 0.5)
    if name.endswith("gaussian_matrix") or name == "mask_decoder.mask_tokens.weight":
        return u
    if len(shape) == 1:
        return 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
    fan = math.prod(shape) / shape[0]
    return u * math.sqrt((6 if len(shape) == 4 else 3) / fan)


def filled_state(network: nn.Module) -> dict[str, Tensor]:
    """A checkpoint in the original layout, filled by rank of the original names."""
    shapes = {k: v.shape for k, v in ORIGINAL.to_original(network.state_dict()).items()}
    return {name: values(name, shapes[name], j) for j, name in enumerate(sorted(shapes))}


def filled(**config: object) -> nn.Module:
    """A float64 QTSeg with the deterministic fill, in eval mode."""
    network = segkit.create("qtseg", **config).double().eval()
    network.load_state_dict(ORIGINAL.to_segkit(filled_state(network)))
    return network


def image() -> Tensor:
    return torch.from_numpy(uniform(1000, 2 * 3 * 64 * 64)).reshape(2, 3, 64, 64)


def labels() -> Tensor:
    return (torch.from_numpy(uniform(2000, 2 * 64 * 64)) > 0).long().reshape(2, 64, 64)


def fingerprint(x: Tensor) -> list[float]:
    """Mean, population standard deviation, first, middle and last element."""
    x = x.detach()
    flat = x.contiguous().flatten()
    ends = (flat[0], flat[flat.numel() // 2], flat[-1])
    return [float(v) for v in (x.mean(), x.std(correction=0), *ends)]
