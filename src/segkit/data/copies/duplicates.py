"""Copies inside and across sets: the same bytes, re-encoded, recoloured or shifted pictures, flips
and turns.

Three sieves, coarse to fine. Thumbnails (32x32, from prepare) whose grey values correlate are
candidates. What is left of a candidate after its coarse shapes and its local contrast are taken
out, hairs and edges, must then correlate too at some small shift, first at 64, then at 128 pixels:
two lesions in the middle of two pictures look alike in the first sieve and not in the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from segkit.data.geometry import geometry
from segkit.data.store import PreparedSet

ALIKE = 0.85  # least correlation of the thumbnails
COARSE = 0.45  # least correlation of the details at 64 pixels
FINE = (
    0.50  # ... and at 128; on ISIC 2017 true copies reach 0.54 and more, other pairs 0.44 at most
)
MIRRORED = 0.60  # ... of a turned or flipped picture: seven more chances to look alike
REACH = 16  # shifts up to a sixteenth of the side
BATCH = 512
BLOCK = 2048


@dataclass(frozen=True)
class Copy:
    """Two pictures that show the same; `score` is the correlation of their details (1 for equal
    bytes).
    """

    one: str
    other: str
    kind: str  # "bytes" | "near" | "mirrored" | "tile"
    score: float

    def to_json(self) -> dict[str, Any]:
        """The pair as plain data for JSON."""
        return asdict(self)


def find(prepared: PreparedSet) -> list[Copy]:
    """All twins inside a set."""
    side = _Side(prepared)
    pairs = _candidates(side, side, same=True)
    equal = _equal_bytes(prepared.items)
    twins = {(t.one, t.other): t for t in _judged(side, side, pairs)}
    twins.update({(one, other): Copy(one, other, "bytes", 1.0) for one, other in equal})
    return [twins[key] for key in sorted(twins)]


def across(left: PreparedSet, right: PreparedSet) -> list[Copy]:
    """All twins with one picture in each set."""
    one, other = _Side(left), _Side(right)
    twins = {(t.one, t.other): t for t in _judged(one, other, _candidates(one, other, same=False))}
    known = {item["sha256_image"]: item["id"] for item in left.items}
    for item in right.items:
        if item["sha256_image"] in known:
            key = (known[item["sha256_image"]], item["id"])
            twins[key] = Copy(*key, "bytes", 1.0)
    return [twins[key] for key in sorted(twins)]


def _equal_bytes(items: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each copy with the first picture of the same bytes."""
    first: dict[str, str] = {}
    for item in items:
        known = first.setdefault(item["sha256_image"], item["id"])
        if known != item["id"]:
            yield known, item["id"]


Candidate = tuple[int, int, int]  # row, row, orientation of the second


class _Side:
    """The fingerprints of a set, made when they are needed."""

    def __init__(self, prepared: PreparedSet):
        self.prepared = prepared
        self.ids = prepared.ids
        self.detail = lru_cache(4096)(self._detail)  # bounded: memory stays flat for any set
        self.spectrum = lru_cache(1024)(self._spectrum)

    def vectors(self, orientation: int) -> NDArray[np.float32]:
        """Thumbnails of mean 0 and length 1; an almost flat picture stays short and is like
        nothing.
        """
        small = _turned(np.asarray(self.prepared.thumbnails), orientation)
        flat = small.reshape(len(small), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        return flat / np.maximum(np.sqrt((flat**2).sum(axis=1, keepdims=True)), 32.0)

    def _detail(self, row: int, side: int) -> NDArray[np.float32]:
        """Hairs, edges, texture: high-passed grey, contrast evened out, faded to the border, length
        1.
        """
        grey = cv2.resize(self._grey(row), (side, side), interpolation=cv2.INTER_AREA)
        grey = grey.astype(np.float32)
        sigma = side * 3 / 128
        rough = grey - cv2.GaussianBlur(grey, (0, 0), sigma)
        rough /= np.sqrt(cv2.GaussianBlur(rough * rough, (0, 0), 2 * sigma)) + 2
        rough *= _window(side)
        rough -= rough.mean()
        return np.asarray(rough / max(float(np.sqrt((rough**2).sum())), 1e-3), np.float32)

    def _grey(self, row: int) -> NDArray[np.uint8]:
        if self.prepared.details is not None:
            return np.asarray(self.prepared.details[row])
        item = self.prepared.items[row]  # prepared by version 0.1: the prepared picture has to do
        shape = geometry((item["height"], item["width"]), self.prepared.size, self.prepared.resize)
        picture = self.prepared.images[row, : shape.content[0], : shape.content[1]]
        return np.asarray(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)

    def _spectrum(self, row: int, side: int, orientation: int) -> NDArray[np.complex64]:
        turned = np.ascontiguousarray(_turned(self.detail(row, side)[None], orientation)[0])
        return np.asarray(scipy.fft.rfft2(turned), np.complex64)


@cache
def _window(side: int) -> NDArray[np.float32]:
    edge = np.hanning(side).astype(np.float32)
    return np.outer(edge, edge)


def _turned(stack: NDArray, orientation: int) -> NDArray:
    """The eight ways to lay a picture: four quarter turns, and four of the mirrored one."""
    turned = np.rot90(stack, orientation % 4, axes=(1, 2))
    return turned[:, :, ::-1] if orientation >= 4 else turned


def _candidates(one: _Side, other: _Side, same: bool) -> list[Candidate]:
    """Pairs of pictures whose thumbnails correlate in some orientation."""
    found: list[Candidate] = []
    left = one.vectors(0)
    for orientation in range(8):
        right = other.vectors(orientation)
        for start in range(0, len(left), BLOCK):
            rows, columns = np.nonzero(left[start : start + BLOCK] @ right.T > ALIKE)
            rows = rows + start
            keep = columns > rows if same else np.ones(len(rows), bool)
            pairs = zip(rows[keep].tolist(), columns[keep].tolist(), strict=True)
            found += [(row, column, orientation) for row, column in pairs]
    return found


def _judged(one: _Side, other: _Side, candidates: list[Candidate]) -> list[Copy]:
    """The candidates that hold in detail; of several orientations the best."""
    coarse = _correlations(one, other, candidates, 64)
    left = [pair for pair, score in zip(candidates, coarse, strict=True) if score > COARSE]
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for (row, column, turn), score in zip(left, _correlations(one, other, left, 128), strict=True):
        least = MIRRORED if turn else FINE
        if score > least and score > best.get((row, column), (0.0, 0))[0]:
            best[row, column] = (score, turn)
    return [
        Copy(one.ids[row], other.ids[column], "mirrored" if turn else "near", round(score, 3))
        for (row, column), (score, turn) in best.items()
    ]


def _correlations(one: _Side, other: _Side, pairs: list[Candidate], side: int) -> list[float]:
    """The best correlation of the details over small shifts, for each pair."""
    reach, scores = side // REACH, []
    near = np.r_[-reach : reach + 1]
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        left = np.stack([one.spectrum(row, side, 0) for row, _, _ in batch])
        right = np.stack([other.spectrum(column, side, turn) for _, column, turn in batch])
        shifted = scipy.fft.irfft2(left * right.conj(), s=(side, side))
        window = shifted[:, near][:, :, near]
        scores += window.reshape(len(batch), -1).max(axis=1).tolist()
    return scores
