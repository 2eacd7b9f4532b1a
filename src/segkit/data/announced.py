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
    """Hold the head of a format that only OpenCV reads (Radiance, PAM) against the bound."""
    head = data[:65536]
    radiance = re.search(rb"[-+]Y (\d{1,9}) [-+]X (\d{1,9})", head)
    sides = [int(radiance[1]), int(radiance[2])] if radiance else []
    if head.startswith(b"P7"):
        found = (re.search(key + rb"\s+(\d{1,9})", head) for key in (b"WIDTH", b"HEIGHT", b"DEPTH"))
        sides = [int(one[1]) for one in found if one]
    pixels = 1
    for side in sides:
        pixels *= side
    memory.check(pixels * FLOATS, "it")
