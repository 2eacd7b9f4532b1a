"""From one pair of files to one row of the prepared arrays, with all that is odd about it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segkit.data import announced, geometry, images, memory
from segkit.data.copies.hashing import GRID, fine, perceptual_hash, thumbnail
from segkit.data.pairing import Pair
from segkit.errors import SegkitError

REDUCE = 2  # large JPEGs may be decoded reduced, but never below twice the target
KEPT = (
    "empty",
    "full",
    "inverted",
    "field-of-view",
    "faint",
    "ignored",
)  # oddities that stay in the set

VIEW = 128  # the side at which a mask is held against what is not black
WINDOW = (0.3, 0.97)  # the share of a picture that a round window takes
BLACK = (6, 12, 20, 30)  # grey levels up to which a border counts as black
ALIKE = 0.97


@dataclass(frozen=True)
class PrepareSettings:
    """What the rows of a prepared set depend on, apart from the files."""

    size: tuple[int, int]
    resize: str
    mask_resize: str = "nearest"
    binary: bool = False  # several classes are taken as one foreground
    instances: bool = False
    classes: int = 256  # masks with a higher index are kept out


@dataclass(frozen=True)
class Read:
    """A finished item: its manifest entry, its rows (None: kept out), its oddities."""

    item: dict[str, Any]
    rows: dict[str, NDArray] | None


def read_pair(pair: Pair, root: Path, settings: PrepareSettings, workers: int = 1) -> Read:
    """Decode, check and resize one pair; a broken one is kept out and says why."""
    missing = _missing(pair)
    if missing:
        return Read(_kept_out(pair, *missing), None)
    try:
        with memory.alone(_cost(pair, root), workers):
            return _read(pair, root, settings)
    except SegkitError as error:
        return Read(_kept_out(pair, "unreadable", error.as_text().replace("\n", " ")), None)
    except OSError as error:
        return Read(_kept_out(pair, "unreadable", f"{error.filename}: {error.strerror}"), None)


def _cost(pair: Pair, root: Path) -> int:
    """Bytes that reading takes: the picture and the largest mask, as masks come one by one."""
    assert pair.image is not None
    picture, *masks = (announced.of_file(root / file) for file in (pair.image, *pair.masks))
    return (picture.cost if picture else 0) + max((one.cost for one in masks if one), default=0)


def _missing(pair: Pair) -> tuple[str, str] | None:
    if pair.unlabelled:
        return "unlabelled", "the publisher gives no mask"
    if pair.image is None:
        return "image-missing", f"no picture for {pair.masks[0] if pair.masks else pair.id}"
    if not pair.masks:
        return "mask-missing", f"no mask for {pair.image}"
    return None


def _kept_out(pair: Pair, kind: str, text: str) -> dict[str, Any]:
    return {"id": pair.id, "part": pair.part, "problems": [{"kind": kind, "text": text}]}


def _read(pair: Pair, root: Path, settings: PrepareSettings) -> Read:
    assert pair.image is not None
    image_bytes = (root / pair.image).read_bytes()
    mask_bytes = [(root / file).read_bytes() for file in pair.masks]
    stored = images.Stored(mask_bytes, pair.masks, indices=pair.decode in images.INDEXED)
    mask = images.decoder(pair.decode)(stored)
    if int(mask.max(initial=0)) >= settings.classes:
        text = f"class index {mask.max()}, the set has {settings.classes} classes from 0"
        return Read(_kept_out(pair, "unknown-class", text), None)
    least = (settings.size[0] * REDUCE, settings.size[1] * REDUCE)
    picture = images.image_from(image_bytes, match=mask.shape, at_least=least, name=pair.image)
    size = images.size_of(image_bytes, pair.image)
    if mask.shape not in (size, size[::-1]) or (mask.shape[0] > mask.shape[1]) != (
        picture.shape[0] > picture.shape[1]
    ):
        text = f"picture {_size(size)}, mask {_size(mask.shape)} (width x height)"
        return Read(_kept_out(pair, "size-mismatch", text), None)
    problems = list(_oddities(pair, mask, stored))
    if is_field_of_view(mask, picture):
        text = "the mask is all that is not black in the picture: the truth is another file"
        problems.append({"kind": "field-of-view", "text": text})
    if settings.binary:
        mask = (mask > 0).astype(np.uint8)
    item = {
        **_described(pair, mask),
        "sha256_image": hashlib.sha256(image_bytes).hexdigest(),
        "sha256_mask": _sha256_of(mask_bytes),
        "problems": problems,
    }
    labels = images.label_map(stored) if settings.instances else None
    return pack(item, picture, mask, settings, labels, _on_grid(image_bytes, picture, least, size))


def _on_grid(
    data: bytes, picture: NDArray[np.uint8], least: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The picture as the search for copies sees it, at whatever size a set is prepared."""
    if images.reduction(size, least) == images.reduction(size, GRID):
        return picture
    return images.image_from(data, match=picture.shape[:2], at_least=GRID)


def pack(
    item: dict[str, Any],
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    settings: PrepareSettings,
    labels: NDArray[np.uint16] | None = None,
    on_grid: NDArray[np.uint8] | None = None,
) -> Read:
    """The rows of a picture and its mask at the prepared size, and what copies are found by."""
    grid = picture if on_grid is None else on_grid
    small = thumbnail(grid)
    rows: dict[str, NDArray] = {
        "images.npy": geometry.fit(
            picture, settings.size, settings.resize, original=(mask.shape[0], mask.shape[1])
        )[0],
        "masks.npy": geometry.fit(mask, settings.size, settings.resize, mask=settings.mask_resize)[
            0
        ],
        "thumbnails.npy": small,
        "details.npy": fine(grid),
    }
    if labels is not None:
        rows["instances.npy"] = geometry.fit(labels, settings.size, settings.resize, mask=True)[0]
    return Read({**item, "hash": perceptual_hash(small)}, rows)


def _described(pair: Pair, mask: NDArray[np.uint8]) -> dict[str, Any]:
    facts = asdict(pair)
    for key in ("unlabelled", "others"):
        facts.pop(key)
    share = round(float((mask > 0).mean()), 6)
    return {**facts, "height": mask.shape[0], "width": mask.shape[1], "share": share}


def _sha256_of(files: list[bytes]) -> str:
    """The SHA-256 of a file or, if a mask has several, of their digests one after the other."""
    if len(files) == 1:
        return hashlib.sha256(files[0]).hexdigest()
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files)).hexdigest()


def _oddities(pair: Pair, mask: NDArray[np.uint8], stored: images.Stored) -> Any:
    """What is worth a look: empty, full, inverted masks, values below the threshold, files not
    taken.
    """
    if pair.others:
        yield {"kind": "ignored", "text": "also there, not taken: " + ", ".join(pair.others)}
    share = float((mask > 0).mean())
    if share == 0:
        highest = max(int(images.single_channel(pixels).max(initial=0)) for pixels in stored)
        if highest > 0:
            yield {"kind": "faint", "text": f"values up to {highest}, none above the threshold"}
        elif pair.cls != "normal":
            yield {"kind": "empty", "text": "the mask has no foreground"}
    elif share == 1:
        yield {"kind": "full", "text": "the mask is all foreground"}
    elif _border_share(mask) > 0.98 and share > 0.3:
        yield {
            "kind": "inverted",
            "text": f"foreground on the whole border, {share:.0%} of the area",
        }


def is_field_of_view(mask: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
    """Whether a mask is the round window of the camera, as fundus sets ship it beside the truth."""
    if not WINDOW[0] < float((mask > 0).mean()) < WINDOW[1]:
        return False
    front = cv2.resize(
        (mask > 0).astype(np.uint8) * 255, (VIEW, VIEW), interpolation=cv2.INTER_AREA
    )
    light = cv2.resize(picture, (VIEW, VIEW), interpolation=cv2.INTER_AREA).max(2)
    inside = front > 127
    outlines = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[
        0
    ]
    if len(outlines) != 1 or _hull_share(outlines[0]) < ALIKE:
        return False
    seen = [light > level for level in BLACK]
    return max(float((inside & s).sum() / max((inside | s).sum(), 1)) for s in seen) > ALIKE


def _hull_share(outline: Any) -> float:
    """The share of its convex hull that a shape fills: 1 for a shape without dents."""
    return float(cv2.contourArea(outline) / max(cv2.contourArea(cv2.convexHull(outline)), 1.0))


def _border_share(mask: NDArray[np.uint8]) -> float:
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float((border > 0).mean())


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def single_threaded() -> int:
    """One OpenCV thread per worker; returns the setting to restore."""
    before: int = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return before
