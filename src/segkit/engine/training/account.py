"""The loss of an epoch and the first batch that broke, kept on the device and read now and then.

A number that is read makes the host wait until the device has caught up: three such waits in a step
of 3 ms leave a GPU idle for most of it. So a step only adds on the device. The sum is the same,
bit for bit, however often it is read.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from segkit.data.loader import Batch

PAUSE = 0.3  # seconds between two reads: fast enough for a display, rare for a device


class Account:
    """Sums of the epoch that is trained."""

    def __init__(self, device: torch.device):
        wide = torch.float32 if device.type == "mps" else torch.float64  # mps has no float64
        self.loss = torch.zeros((), dtype=wide, device=device)
        self.broken = torch.full((), -1, dtype=wide, device=device)
        self.images = 0
        self.mean = math.nan  # of the loss, as last read
        self.read_at = -math.inf

    def begin(self, loss_sum: float, images: int) -> None:
        """A new epoch, or the rest of one that was interrupted."""
        self.loss.fill_(loss_sum)
        self.images, self.mean, self.read_at = images, math.nan, -math.inf

    def add(self, loss: Tensor, batch: Batch) -> None:
        """Count a batch in the mean loss."""
        self.loss += loss.detach().to(self.loss.dtype) * len(batch.ids)
        self.images += len(batch.ids)

    def watch(self, fine: Tensor, batch: Batch) -> None:
        """Remember the first batch whose loss or gradient was not finite."""
        first = (self.broken < 0) & ~fine
        self.broken.masked_fill_(first, batch.index)

    def due(self) -> bool:
        """Whether it is time to read."""
        return time.monotonic() - self.read_at > PAUSE

    def read(self) -> tuple[float, int | None]:
        """The sum of the loss, and which batch broke: the one wait for the device."""
        loss, broken = torch.stack([self.loss, self.broken]).tolist()
        self.read_at, self.mean = time.monotonic(), loss / max(self.images, 1)
        return loss, None if broken < 0 else int(broken)
