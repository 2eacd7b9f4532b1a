"""What all annotation files share: masks drawn once, pictures found by name, errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segkit.data.imports.writing import file_names
from segkit.errors import SegkitError

Mask = NDArray[np.uint8]

ORIENTATION = 0x0112  # EXIF's tag
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Files of strangers: whatever is missing or of another kind becomes one line."""
    try:
        yield
    except (*MALFORMED, cv2.error) as error:
        kind = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SegkitError(f"{what} is not understood", kind.split("\n")[0][:120]) from error


def targets(keys: Sequence[str]) -> list[str]:
    """Where the mask of each picture is drawn."""
    return [f"files/masks/{name}.png" for name in file_names(keys)]


def locate(folder: Path, name: str) -> str | None:
    """The picture as named, else a file of its base name anywhere below."""
    direct = folder / name.replace("\\", "/")
    if direct.is_file():
        return str(direct.resolve())
    found = sorted(folder.rglob(Path(name.replace("\\", "/")).name))
    return str(found[0].resolve()) if found else None


def oriented_size(path: str) -> tuple[int, int]:
    """(H, W) of a picture as it is looked at: turned where its camera says so."""
    with Image.open(path) as picture:
        turned = picture.getexif().get(ORIENTATION, 1) >= 5
        size = (picture.height, picture.width)
    return size[::-1] if turned else size


def numbered(labels: Iterable[str]) -> dict[str, int]:
    """Class indices of labels in the order given; the background is 0."""
    found = {label: index for index, label in enumerate(dict.fromkeys(labels), start=1)}
    if len(found) > 255:
        raise SegkitError(f"{len(found)} labels", "at most 255 fit a mask")
    return found


def drawer(jobs: Mapping[str, Callable[[], Mask]]) -> Callable[[Path], None]:
    def draw(root: Path) -> None:
        for target, make in jobs.items():
            path = root / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with understood(f"the annotation of {path.stem}"):
                mask = make()
            Image.fromarray(mask).save(path)

    return draw
