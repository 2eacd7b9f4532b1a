"""Reading pictures and masks of any kind: any mode, any depth, palettes, alpha, EXIF.

Pillow decodes (it tells truncated and damaged files apart from good ones); OpenCV is asked when
Pillow does not know the format.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))  # read when it is loaded

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segkit.api import resolve
from segkit.data import announced, memory
from segkit.errors import SegkitError, unknown

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Decode = Callable[[Sequence[Pixels]], NDArray[np.uint8]]

DAMAGED = announced.DAMAGED
MAX_PIXELS = 400_000_000
PHOTO = 64  # levels of red from which a coloured mask file is a photo
VOID = 255  # what many sets of class indices write where nobody decided
warnings.filterwarnings("ignore", module=r"PIL\..*")  # odd metadata is no news to anybody
Image.MAX_IMAGE_PIXELS = None  # the limit above is ours; Pillow's would warn on ordinary slides
STRIP = 256  # rows
TURNS = {3: 2, 6: 3, 8: 1}  # EXIF orientation -> quarter turns against the clock


def read_image(
    path: Path | str,
    *,
    match: tuple[int, int] | None = None,
    orient: bool = False,
    at_least: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """A picture as uint8 (H,W,3).

    EXIF rotation is applied if the mask's size `match` (H, W) asks for it, or always with `orient`.
    With `at_least` a large JPEG may be decoded at a half, quarter or eighth, never below that size.
    """
    return image_from(_read(path), match=match, orient=orient, at_least=at_least, name=str(path))


def read_mask(path: Path | str) -> NDArray[np.uint8]:
    """A binary mask of any encoding as uint8 (H,W) of 0 and 1."""
    return union([pixels_from(_read(path), name=str(path))])


def _read(path: Path | str) -> bytes:
    try:
        memory.check(os.stat(path).st_size, "the file")
        return Path(path).read_bytes()
    except ValueError as error:  # a name with a zero in it, or larger than the memory
        raise SegkitError(f"{path} cannot be read", str(error)) from error
    except OSError as error:
        raise SegkitError(f"{path} cannot be read", error.strerror or str(error)) from error


def image_from(
    data: bytes,
    *,
    match: tuple[int, int] | None = None,
    orient: bool = False,
    at_least: tuple[int, int] | None = None,
    name: str = "image",
) -> NDArray[np.uint8]:
    """The same as `read_image`, from the bytes of the file."""
    pixels, stored, turn = _decode(data, name, at_least)
    rgb = to_rgb(pixels)
    wants = match is not None and stored != match and stored[::-1] == match
    return _oriented(rgb, turn) if turn > 1 and (orient or wants) else rgb


def reduction(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    """By how much a JPEG of (H, W) is decoded reduced for `at_least`: Pillow's rule."""
    if at_least is None:
        return 1
    spare = min(size[0] // at_least[0], size[1] // at_least[1])
    return next((scale for scale in (8, 4, 2) if spare >= scale), 1)


def pixels_from(data: bytes, name: str = "mask") -> Pixels:
    """The values as stored: (H,W) or (H,W,C), uint8 or uint16; 1-bit becomes 0/255, a palette its
    colours.
    """
    return _decode(data, name, None)[0]


def indices_from(data: bytes, name: str = "mask") -> NDArray[np.uint8]:
    """Class indices (H,W): a palette's numbers as they are stored, grey values otherwise."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.mode in ("1", "P"):
                return np.array(picture, dtype=np.uint8)
    except DAMAGED:
        pass  # the reader below says what is wrong
    pixels = pixels_from(data, name)
    if pixels.ndim == 3:
        colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
        if np.any(colours != colours[..., :1]):
            raise SegkitError(f"{name} is a colour picture", "class indices need one channel")
        pixels = colours[..., 0]
    highest = int(pixels.max(initial=0))
    if highest > 255:
        raise SegkitError(f"{name} holds class index {highest}", "at most 255 are possible")
    return pixels.astype(np.uint8)


def size_of(data: bytes, name: str = "image") -> tuple[int, int]:
    """(H, W) as stored, from the header alone."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.height, picture.width
    except DAMAGED:
        shape = pixels_from(data, name).shape
        return shape[0], shape[1]


def _decode(
    data: bytes, name: str, at_least: tuple[int, int] | None
) -> tuple[Pixels, tuple[int, int], int]:
    """Pixels, (H, W) as stored, EXIF orientation."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            stored = (picture.height, picture.width)
            turn = 1  # Pillow turns TIFF by itself, and the tag means nothing in other kinds
            if picture.format in ("JPEG", "MPO", "WEBP"):
                turn = int(picture.getexif().get(0x0112, 1) or 1)
            return from_pillow(picture, at_least), stored, turn
    except Image.UnidentifiedImageError:
        pixels = _from_opencv(data, name)  # deep TIFF, Radiance, PAM
        return pixels, (pixels.shape[0], pixels.shape[1]), 1
    except DAMAGED as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise SegkitError(f"{name} cannot be decoded", reason) from error


def from_pillow(picture: Image.Image, at_least: tuple[int, int] | None = None) -> Pixels:
    """The values of an opened picture of any mode; a palette becomes its colours."""
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(f"{picture.width}x{picture.height} pixels are more than {MAX_PIXELS:,}")
    scale = 1
    if at_least is not None and picture.format == "JPEG":
        scale = reduction((picture.height, picture.width), at_least)
        picture.draft(None, (at_least[1], at_least[0]))
    _check_memory(picture, scale)
    if picture.mode == "1":
        return np.asarray(picture, dtype=np.uint8) * np.uint8(255)
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode in ("LA", "PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
    elif picture.mode.startswith("I") or picture.mode == "F":
        return _from_wide(np.asarray(picture))
    elif picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    return np.array(picture, dtype=np.uint8)


def _check_memory(picture: Image.Image, scale: int) -> None:
    """Refuse a picture that is too large, before decoding, by the size before `draft`."""
    known = announced.of_picture(picture)
    held = announced.held_whole(picture) * known.pixels * (scale * scale - 1)
    memory.check(known.cost + held, f"{known.width}x{known.height} pixels")


def _from_wide(values: NDArray[Any]) -> Pixels:
    """16-bit, 32-bit and float grey: floats in [0, 1] are stretched, the rest is clipped to 16
    bits.
    """
    if np.issubdtype(values.dtype, np.integer):
        return np.clip(values, 0, 65535).astype(np.uint16)
    finite = np.nan_to_num(values)
    scale = 255 if finite.max(initial=0) <= 1 else 1
    return np.asarray(np.clip(finite * scale, 0, 255), dtype=np.uint8)


def _from_opencv(data: bytes, name: str) -> Pixels:
    pixels: Any
    try:
        announced.check_foreign(data)
    except ValueError as error:
        raise SegkitError(f"{name} cannot be decoded", str(error)) from error
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        kind = "an empty file" if not data else "not a picture, or a damaged one"
        raise SegkitError(f"{name} cannot be decoded", kind)
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = _from_wide(pixels)
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        order = [2, 1, 0, *range(3, pixels.shape[2])]
        return np.ascontiguousarray(pixels[..., order])
    return pixels


def to_rgb(pixels: Pixels) -> NDArray[np.uint8]:
    """uint8 (H,W,3): grey is tripled, constant alpha dropped, other alpha blended on black."""
    if pixels.dtype == np.uint16:
        pixels = _to_8_bit(pixels)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.shape[2] == 2:
        pixels = pixels[..., [0, 0, 0, 1]]
    if pixels.shape[2] == 4:
        pixels = _without_alpha(pixels)
    return np.ascontiguousarray(pixels[..., :3]).astype(np.uint8, copy=False)


def _to_8_bit(pixels: NDArray) -> NDArray[np.uint8]:
    """Scale by the depth that the values use: 8, 10, 12 or 16 bits."""
    highest = int(pixels.max(initial=0))
    depth = next(bits for bits in (8, 10, 12, 16) if highest < 1 << bits)
    scale = 255.0 / ((1 << depth) - 1)
    return _in_strips(pixels, lambda part: np.round(part * scale), pixels.shape)


def _without_alpha(pixels: NDArray) -> NDArray:
    rgb, alpha = pixels[..., :3], pixels[..., 3:]
    if alpha.min() == alpha.max():
        return rgb
    return _in_strips(
        pixels, lambda part: np.round(part[..., :3] * (part[..., 3:] / 255.0)), rgb.shape
    )


def _in_strips(
    pixels: NDArray, change: Callable[[NDArray], NDArray], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """A change of every pixel, some rows at a time: without floats of the whole picture."""
    result = np.empty(shape, np.uint8)
    for top in range(0, len(pixels), STRIP):
        result[top : top + STRIP] = change(pixels[top : top + STRIP])
    return result


def _oriented(rgb: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    if turn in TURNS:
        return np.ascontiguousarray(np.rot90(rgb, TURNS[turn]))
    if turn in (5, 7):
        rgb = rgb.transpose(1, 0, 2)[:: 1 if turn == 5 else -1, :: 1 if turn == 5 else -1]
        return np.ascontiguousarray(rgb)
    return np.ascontiguousarray(rgb[:, ::-1] if turn == 2 else rgb[::-1])


def single_channel(pixels: Pixels) -> Pixels:
    """One channel of a mask: equal channels are one, otherwise any colour counts; the alpha
    channel where it alone carries the shape.
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] in (2, 4) and _alpha_carries(pixels):
        return pixels[..., -1]
    colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    return colours.max(axis=2)


def _alpha_carries(pixels: Pixels) -> bool:
    """Whether a mask is what is not transparent: drawn there in one colour, or a cut-out photo."""
    alpha, colours = pixels[..., -1], pixels[..., :-1]
    if alpha.min() == alpha.max():
        return False
    shown = colours[alpha > 0]
    if np.all(shown == shown[0]):
        return True
    coloured = bool(np.any(shown != shown[:, :1]))
    return coloured and len(np.unique(shown[:, 0])) > PHOTO


def binarise(pixels: Pixels) -> NDArray[np.bool_]:
    """Foreground: value > 0 if the file's maximum is 1, else the upper half of the range."""
    values = single_channel(pixels)
    highest = int(values.max(initial=0))
    if highest <= 1:
        return values > 0
    return values > (127 if highest <= 255 else 32767)


def union(masks: Sequence[Pixels]) -> NDArray[np.uint8]:
    """The union of binary masks: all lesions, all nuclei of a picture."""
    return _union(binarise(mask) for mask in masks)


def half_max(masks: Sequence[Pixels]) -> NDArray[np.uint8]:
    """The union of masks that are cut at half of their own maximum."""
    grey = (single_channel(mask) for mask in masks)
    return _union(values > int(values.max(initial=0)) / 2 for values in grey)


def classes(masks: Sequence[Pixels]) -> NDArray[np.uint8]:
    """Masks that hold class indices; a later file covers an earlier one."""
    result = single_channel(masks[0]).astype(np.uint8)
    for mask in masks[1:]:
        values = single_channel(mask)
        result = np.where(values > 0, values, result).astype(np.uint8)
    return result


def classes_void(masks: Sequence[Pixels]) -> NDArray[np.uint8]:
    """Class indices where 255 means that nobody decided: background."""
    result = classes(masks)
    return np.where(result == VOID, 0, result).astype(np.uint8)


def label_map(masks: Sequence[Pixels]) -> NDArray[np.uint16]:
    """Instances 1..n in the order of the files, 0 elsewhere."""
    labels: NDArray[np.uint16] | None = None
    for index, mask in enumerate(masks, start=1):
        if labels is None:
            labels = np.zeros(mask.shape[:2], np.uint16)
        labels[binarise(mask)] = index
    assert labels is not None
    return labels


class Stored(Sequence[Pixels]):
    """Mask files that are decoded when they are looked at, one by one, and not kept."""

    def __init__(self, files: Sequence[bytes], names: Sequence[str], indices: bool = False):
        self.files, self.names, self.indices = files, names, indices

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Stored(self.files[index], self.names[index], self.indices)
        read = indices_from if self.indices else pixels_from
        return read(self.files[index], self.names[index])


def _union(masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """The union of mask files, decoded one at a time: a picture may have hundreds."""
    result: NDArray[np.bool_] | None = None
    for mask in masks:
        if result is None:
            result = mask.copy()
        elif mask.shape != result.shape:
            sizes = f"{mask.shape}, {result.shape}"
            raise SegkitError("masks of one picture differ in size", sizes)
        else:
            result |= mask
    assert result is not None
    return result.astype(np.uint8)


RULES: dict[str, Decode] = {
    "union": union,
    "half_max": half_max,
    "classes": classes,
    "classes_void": classes_void,
}
INDEXED = ("classes", "classes_void")  # a palette counts by its numbers, not by its colours


def decoder(rule: str) -> Decode:
    """The mask rule of a name, or of "package.module:function"."""
    if ":" in rule:
        found: Decode = resolve(rule)
        return found
    if rule not in RULES:
        raise unknown("mask rule", rule, RULES)
    return RULES[rule]
