"""What the header of a picture says it will take, before its pixels are decoded."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from segkit.data import memory

# What decoders raise on damaged files.
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    struct.error,
    cv2.error,
    Image.DecompressionBombError,
)
# bytes a pixel at the peak of reading: Pillow's own, the copies on the way, RGB at the end
MODES = {"1": 8, "L": 8, "P": 20, "RGB": 14, "RGBA": 20, "RGBX": 20}
OTHER_MODE, WIDE = 24, 32
CODECS = {"JPEG2000": 40, "AVIF": 16, "WEBP": 12, "TIFF": 8, "GIF": 8}  # what a codec holds itself
COEFFICIENTS = 6  # of a progressive JPEG, at full size however it is decoded
FLOATS = 40  # of a format that OpenCV reads: floats, and the copies on the way
TIFF = (b"II*\0", b"MM\0*")
# kinds that OpenCV reads and Pillow does not, or not all of: Radiance, PAM, PNM, PFM, deep TIFF
FOREIGN = (b"#?RADIANCE", b"#?RGBE", b"P7", *(b"P%c" % c for c in b"123456fF"), *TIFF)
SIDE_TAGS, SHORT = (256, 257, 277), 3  # width, height, samples; 16-bit numbers


@dataclass(frozen=True)
class Announced:
    """Height, width and the bytes that decoding takes, as the header of a file announces them."""

    height: int
    width: int
    cost: int  # bytes

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.height * self.width


def of_picture(picture: Image.Image) -> Announced:
    """What decoding an opened picture takes, at the size that it has now."""
    pixels = picture.width * picture.height
    each = MODES.get(picture.mode, OTHER_MODE)
    if picture.mode == "F" or picture.mode.startswith("I"):
        each = WIDE
    return Announced(picture.height, picture.width, pixels * (each + held_whole(picture)))


def held_whole(picture: Image.Image) -> int:
    """Bytes for each pixel of the file that a codec holds, also where it decodes reduced."""
    progressive = picture.info.get("progressive") or picture.info.get("progression")
    return CODECS.get(picture.format or "", 0) + (COEFFICIENTS if progressive else 0)


def of_file(path: Path) -> Announced | None:
    """What a file announces; None where its header is not understood."""
    try:
        with Image.open(path) as picture:
            return of_picture(picture)
    except DAMAGED:
        return None


def check_foreign(data: bytes) -> None:
    """Hold a picture of a kind that only OpenCV reads against the bound, or refuse another kind.

    What Pillow knows and yet refuses is damaged: OpenCV would take a broken header at its word.
    """
    if data and not data.startswith(FOREIGN):
        raise ValueError("not a picture, or a damaged one")
    sides = _tiff_sides(data) if data.startswith(TIFF) else _text_sides(data[:65536])
    pixels = 1
    for side in sides:
        pixels *= side
    memory.check(pixels * FLOATS, "it")


def _text_sides(head: bytes) -> list[int]:
    """Sides (and channels) that the head of a Radiance, PAM, PNM or PFM file names."""
    if head.startswith(b"#?"):
        found = re.search(rb"[-+]Y (\d{1,9}) [-+]X (\d{1,9})", head)
        return [int(found[1]), int(found[2])] if found else []
    if head.startswith(b"P7"):
        keys = (re.search(key + rb"\s+(\d{1,9})", head) for key in (b"WIDTH", b"HEIGHT", b"DEPTH"))
        return [int(one[1]) for one in keys if one]
    return [int(number) for number in re.findall(rb"(?:\s|^)(\d{1,9})(?=\s)", head[2:64])[:2]]


def _tiff_sides(data: bytes) -> list[int]:
    """Width, height and samples of a pixel in the first directory of a TIFF file."""
    order = "<" if data.startswith(b"II") else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (many,) = struct.unpack_from(f"{order}H", data, place)
        sides: list[int] = []
        for number in range(many):
            tag, kind = struct.unpack_from(f"{order}HH", data, place + 2 + 12 * number)
            if tag in SIDE_TAGS:
                form = "H" if kind == SHORT else "I"
                sides += struct.unpack_from(f"{order}{form}", data, place + 10 + 12 * number)
        return sides
    except struct.error as error:
        raise ValueError("a TIFF file with a damaged directory") from error
