"""A small U-Net that has learned to find the drawn blobs, so that its masks mean something."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit import ops
from segkit.engine.export_gate import drawing
from segkit.engine.export_subject import Subject, find_subject


@pytest.fixture(scope="session")
def subject() -> Subject:
    torch.manual_seed(0)
    found = find_subject("unet", size=(64, 64), settings={"width": 4, "levels": 3})
    teach(found)
    return found


def teach(found: Subject, steps: int = 80) -> None:
    """Dark is foreground."""
    images = drawing(np.random.default_rng(1), 8, 64, 64, 3)
    inputs = torch.from_numpy(found.inputs(images))
    truth = torch.from_numpy((images.mean(-1) < 128).astype(np.float32))[:, None]
    optimizer = torch.optim.Adam(found.network.parameters(), 0.02)
    found.network.train()
    for _ in range(steps):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(found.network(inputs), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found.network.eval()


class Scanner(nn.Module):
    """Both scan operators on a picture, as a Mamba network has them."""

    def __init__(self, reverse: bool = False, full: bool = True):
        super().__init__()
        self.reverse, self.full = reverse, full
        torch.manual_seed(3)
        shapes = {"w_x": (4, 2 + 8, 3), "w_dt": (4, 3, 2), "bias": (4, 3), "A": (12, 4), "D": (12,)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) / 2))
        self.A.data = -self.A.data.abs() * 4

    def forward(self, image: Tensor) -> Tensor:
        spread = ops.ss2d(image.permute(0, 2, 3, 1), self.w_x, self.w_dt, self.bias, self.A, self.D)
        line = image.flatten(2).repeat(1, 2, 1)  # (B, 6, L)
        matrices = line.unflatten(1, (2, 3)).repeat(1, 1, 2, 1)[:, :, :4]  # (B, G=2, N=4, L)
        extra = {"D": self.D[:6], "delta_bias": self.bias.flatten()[:6]} if self.full else {}
        y = ops.selective_scan(
            line, line, self.A[:6], matrices, matrices + 1, delta_softplus=True,
            reverse=self.reverse, **extra,
        )  # fmt: skip
        return spread.permute(0, 3, 1, 2)[:, :1] + y[:, 5:].unflatten(2, image.shape[2:])


@pytest.fixture
def scanner() -> type[Scanner]:
    return Scanner
