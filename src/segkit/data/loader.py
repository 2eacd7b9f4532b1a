"""Batches from a prepared set: gathered, augmented and normalised, a little ahead of the network.

On a CPU each sample goes through OpenCV in background threads, straight from the memory map. On a
GPU the whole set lives on the device when it fits (else uint8 pixels are streamed through pinned
memory, one batch ahead) and batches are augmented and normalised there. The host part of a batch
runs in a thread, the device part in the caller's. The order and every random number are functions
of (seed, epoch, sample id): an epoch can be entered at any batch, by any number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from segkit.data.augmenting.policy import AugmentationPlan, generator
from segkit.data.normalise import convert_colour, normalise

if TYPE_CHECKING:
    from segkit.data.augmenting.pipeline import LoaderAugmentation

AHEAD = 3  # batches in preparation
ROOM = 0.4  # share of the free device memory that a resident set may take


class Source(Protocol):
    """What batches are made from; a `PreparedSet` is one."""

    ids: list[str]

    @property
    def images(self) -> np.ndarray: ...  # uint8 (N, H, W, 3)
    @property
    def masks(self) -> np.ndarray: ...  # uint8 (N, H, W)


@dataclass
class Batch:
    """Images (B, 3, H, W) float32 and masks (B, H, W) int64, with the ids they came from."""

    image: Tensor
    mask: Tensor
    ids: list[str]
    index: int  # which batch of the epoch
    share: float = 1.0  # of the mean over processes: 1 when all have equally many
    pixels: Tensor | None = None  # uint8 (B, H, W, 3) of the images, where a teacher wants them


@dataclass(frozen=True)
class LoaderSettings:
    """How batches are made."""

    batch: int = 8
    rule: str = "unit"
    colour: str = "rgb"
    seed: int = 0
    shuffle: bool = False
    drop_last: bool = False
    workers: int = 1
    cache: str = "auto"
    pixels: bool = False  # batches bring their 8-bit pixels too, as augmented


class Loader:
    """The batches of some ids of a source, epoch by epoch."""

    def __init__(
        self,
        source: Source,
        ids: Sequence[str],
        settings: LoaderSettings = LoaderSettings(),
        augmentation: LoaderAugmentation | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        like: Loader | None = None,
    ):
        place = {name: row for row, name in enumerate(source.ids)}
        self.ids = list(ids)
        self.rows = np.array([place[name] for name in self.ids], dtype=np.int64)
        self.settings, self.augmentation = settings, augmentation
        self.device, self.rank, self.world = torch.device(device), rank, world
        self._beside: Any = None  # the stream of copies, where there are any
        self.images: Any  # `like`: another loader that holds the same pictures
        self.masks: Any
        placed = (like.images, like.masks) if like else self._place(source.images, source.masks)
        self.images, self.masks = placed

    def __len__(self) -> int:
        return len(self._batches(np.arange(len(self.rows))))

    @property
    def resident(self) -> bool:
        """Whether the pictures live on the device."""
        return isinstance(self.images, Tensor)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        order = np.arange(len(self.rows))
        if self.settings.shuffle:
            generator(self.settings.seed, epoch, "order").shuffle(order)
        jobs = deque(self._mine(index, rows) for index, rows in enumerate(self._batches(order)))
        wanted = [job for job in jobs if job is not None and job[0] >= start]
        if self.settings.workers < 1:
            yield from (self._finish(self._sent(self._prepare(epoch, *job))) for job in wanted)
            return
        yield from self._ahead(epoch, wanted)

    def _ahead(self, epoch: int, jobs: list[Any]) -> Iterator[Batch]:
        """Prepare in threads, a few batches ahead, in order."""
        pool = ThreadPoolExecutor(self.settings.workers, "loader")
        waiting: deque[Future[Any]] = deque()
        sent: deque[Any] = deque()  # the next batch travels while the network works on this one
        try:
            for job in jobs:
                waiting.append(pool.submit(self._prepare, epoch, *job))
                if len(waiting) >= AHEAD + self.settings.workers:
                    sent.append(self._sent(waiting.popleft().result()))
                if len(sent) > 1:
                    yield self._finish(sent.popleft())
            while waiting:
                sent.append(self._sent(waiting.popleft().result()))
                if len(sent) > 1:
                    yield self._finish(sent.popleft())
            yield from map(self._finish, sent)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batches(self, order: np.ndarray) -> list[np.ndarray]:
        """The epoch cut into batches. In training a last batch of one joins the one before it."""
        size = self.settings.batch
        cuts = [order[i : i + size] for i in range(0, len(order), size)]
        if self.settings.drop_last and len(cuts) > 1 and len(cuts[-1]) < size:
            return cuts[:-1]
        if self.settings.shuffle and len(cuts) > 1 and len(cuts[-1]) == 1:
            return [*cuts[:-2], np.concatenate(cuts[-2:])]
        return cuts

    def _mine(self, index: int, rows: np.ndarray) -> tuple[int, np.ndarray, float] | None:
        """This process's part: a slice of each training batch, every n-th batch otherwise."""
        if self.world == 1:
            return index, rows, 1.0
        if not self.settings.shuffle:
            return (index, rows, 1.0) if index % self.world == self.rank else None
        part = np.array_split(rows, self.world)[self.rank]
        share = len(part) * self.world / len(rows)
        return index, part if len(part) else rows[:1], share

    def _prepare(self, epoch: int, index: int, positions: np.ndarray, share: float) -> Any:
        """The host part of a batch."""
        ids = [self.ids[i] for i in positions]
        rows = self.rows[positions]
        plans = self._plans(epoch, ids) if self._on_device else []
        if self.resident:
            return rows, None, plans, ids, index, share
        images, masks = np.array(self.images[rows]), np.array(self.masks[rows])
        if self._on_device:
            return rows, (_pinned(images), _pinned(masks)), plans, ids, index, share
        pixels = convert_colour(images, self.settings.colour)
        if self.augmentation:
            self._augment(epoch, ids, pixels, masks)
        image = torch.from_numpy(normalise(pixels, self.settings.rule))
        mask = torch.from_numpy(masks.astype(np.int64))
        kept = torch.from_numpy(pixels).to(self.device) if self.settings.pixels else None
        return Batch(image.to(self.device), mask.to(self.device), ids, index, share, kept)

    def _augment(self, epoch: int, ids: list[str], images: np.ndarray, masks: np.ndarray) -> None:
        """Each sample of the batch in place, on the host."""
        assert self.augmentation is not None
        for i, name in enumerate(ids):
            rng = generator(self.settings.seed, epoch, name)
            images[i], masks[i] = self.augmentation.apply(rng, images[i], masks[i])

    def _plans(self, epoch: int, ids: list[str]) -> list[AugmentationPlan]:
        """What is to happen to each sample; nothing without an augmentation."""
        if self.augmentation is None:
            return []
        draws = (generator(self.settings.seed, epoch, name) for name in ids)
        return [self.augmentation.draw(rng, *self.images.shape[1:3]) for rng in draws]

    def _sent(self, prepared: Any) -> Any:
        """A batch whose pinned pixels are on their way, on a stream beside the network's."""
        if isinstance(prepared, Batch) or prepared[1] is None:
            return prepared
        if self._beside is None:
            self._beside = torch.cuda.Stream(self.device)
        with torch.cuda.stream(self._beside):
            parts = [part.to(self.device, non_blocking=True) for part in prepared[1]]
        return prepared[0], (parts, self._beside.record_event()), *prepared[2:]

    def _arrived(self, parts: list[Tensor], event: Any) -> list[Tensor]:
        """The pixels on the device, for the stream that computes."""
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(event)
        for part in parts:
            part.record_stream(computing)
        return parts

    def _finish(self, prepared: Any) -> Batch:
        """The device part of a batch."""
        if isinstance(prepared, Batch):
            return prepared
        from segkit.data.augmenting import device

        rows, travelling, plans, ids, index, share = prepared
        if travelling is None:
            place = torch.from_numpy(rows).to(self.device, non_blocking=True)
            images, masks = self.images[place], self.masks[place]
        else:
            images, masks = self._arrived(*travelling)
            images = convert_colour(images, self.settings.colour)
        if plans:
            images, masks = device.apply(plans, images, masks)
        image = normalise(images, self.settings.rule)
        kept = images if self.settings.pixels else None
        return Batch(image, masks.long(), ids, index, share, kept)

    @property
    def _on_device(self) -> bool:
        """Whether batches are augmented on the device: a GPU, and a policy that runs there."""
        portable = self.augmentation is None or self.augmentation.portable
        return portable and self.device.type == "cuda"

    def _place(self, images: np.ndarray, masks: np.ndarray) -> tuple[Any, Any]:
        """The arrays where batches are gathered: on the device, in memory, or on disk."""
        cache = self.settings.cache
        if self._on_device and (cache == "device" or (cache == "auto" and self._fits(images))):
            pixels = _moved(images, self.device)
            return _converted(pixels, self.settings.colour), _moved(masks, self.device)
        if cache == "memory":
            return np.array(images), np.array(masks)
        return images, masks

    def _fits(self, images: np.ndarray) -> bool:
        free, _ = torch.cuda.mem_get_info(self.device)
        return images.nbytes * 4 / 3 < ROOM * free


def _pinned(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).pin_memory()


def _moved(array: np.ndarray, device: torch.device) -> Tensor:
    """A large array to the device in pieces, so that the host never holds a copy."""
    whole = torch.empty(array.shape, dtype=torch.uint8, device=device)
    for i in range(0, len(array), 256):
        whole[i : i + 256] = torch.from_numpy(np.array(array[i : i + 256])).to(device)
    return whole


def _converted(images: Tensor, colour: str) -> Tensor:
    for i in range(0, len(images) if colour != "rgb" else 0, 64):
        images[i : i + 64] = convert_colour(images[i : i + 64], colour)
    return images
