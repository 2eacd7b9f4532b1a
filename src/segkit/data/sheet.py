"""Contact sheets: pictures with the outline of their mask, to see what numbers hide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segkit import paths
from segkit.data.store import PreparedSet
from segkit.errors import UsageError

Colour = tuple[int, int, int]
COLOURS: tuple[Colour, ...] = ((255, 220, 0), (0, 230, 255), (255, 80, 220), (90, 255, 90))
Pixels = NDArray[np.uint8]
Change = Callable[[str, Pixels, Pixels], tuple[Pixels, Pixels]]


def contact_sheet(
    prepared: PreparedSet,
    path: Path,
    count: int = 24,
    columns: int = 6,
    seed: int = 0,
    ids: Sequence[str] = (),
    change: Change | None = None,
    side: int = 224,
) -> list[str]:
    """Write a sheet of random (or named) pairs; `change` may augment them. Returns the ids
    shown.
    """
    shown = list(ids) or _random_ids(prepared, count, seed)
    save(grid([_tile(prepared, name, side, change) for name in shown], columns), path)
    return shown


def comparing_sheet(
    prepared: PreparedSet,
    path: Path,
    changes: Mapping[str, Change],
    count: int = 6,
    seed: int = 0,
    ids: Sequence[str] = (),
    side: int = 224,
) -> list[str]:
    """The same pairs once per named change, a row each; returns the ids shown."""
    shown = list(ids) or _random_ids(prepared, count, seed)
    tiles = [
        _tile(prepared, name, side, change, f"{label}: {name}")
        for label, change in changes.items()
        for name in shown
    ]
    save(grid(tiles, len(shown)), path)
    return shown


def grid(tiles: Sequence[Pixels], columns: int) -> Pixels:
    """Tiles of one size in rows, the last filled up with grey."""
    columns = max(1, min(columns, len(tiles)))
    tiles = [*tiles, *[np.full_like(tiles[0], 24)] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)])


def _random_ids(prepared: PreparedSet, count: int, seed: int) -> list[str]:
    order = np.random.RandomState(seed).permutation(len(prepared))[:count]
    return [prepared.ids[row] for row in sorted(order)]


def _tile(
    prepared: PreparedSet, name: str, side: int, change: Change | None, caption: str = ""
) -> Pixels:
    row = prepared.index(name)
    image, mask = np.array(prepared.images[row]), np.array(prepared.masks[row])
    if change:
        image, mask = change(name, image, mask)
    width = max(1, round(side * image.shape[1] / image.shape[0]))
    picture: Any = cv2.resize(image, (width, side), interpolation=cv2.INTER_AREA)
    truth: Any = cv2.resize(mask, (width, side), interpolation=cv2.INTER_NEAREST_EXACT)
    return _with_caption(outlined(picture, truth), caption or name)


def outlined(image: Pixels, mask: Pixels, colours: Sequence[Colour] = COLOURS) -> Pixels:
    """A copy of the picture with the outline of each class on it."""
    drawn = np.array(image, order="C")
    for index in range(1, int(mask.max(initial=0)) + 1):
        layer = (mask == index).astype(np.uint8)
        lines, _ = cv2.findContours(layer, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, lines, -1, colours[(index - 1) % len(colours)], 1)
    return drawn


def _with_caption(image: Pixels, text: str) -> Pixels:
    strip = np.full((16, image.shape[1], 3), 24, np.uint8)
    short = text if len(text) <= 24 else text[:21] + "..."
    cv2.putText(
        strip, short, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (230, 230, 230), 1, cv2.LINE_AA
    )
    framed = np.vstack([image, strip])
    return np.pad(framed, ((1, 1), (1, 1), (0, 0)), constant_values=24)


def check_name(path: Path) -> None:
    """Before any work: whether a sheet can have this name."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{path} cannot be a sheet", "a .png or .jpg file is expected")


def save(picture: Pixels, path: Path) -> None:
    """Write a picture, whole or not at all."""
    check_name(path)
    suffix = path.suffix.lower()
    done, data = cv2.imencode(suffix, picture[..., ::-1])
    assert done
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
