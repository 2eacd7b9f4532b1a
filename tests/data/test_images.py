"""Pictures and masks of every encoding; damaged files are errors, never crashes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from segkit.data import images
from segkit.data.images import read_mask
from segkit.errors import SegkitError

SQUARE = np.zeros((6, 8), bool)
SQUARE[2:4, 3:6] = True


def save(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def grey(value: int) -> bytes:
    return save(Image.fromarray((SQUARE * value).astype(np.uint8)))


def palette(index_is_white: int) -> bytes:
    picture = Image.fromarray((SQUARE * 1).astype(np.uint8), "P")
    colours = [0, 0, 0, 255, 255, 255] if index_is_white else [255, 255, 255, 0, 0, 0]
    picture.putpalette(colours)
    return save(picture)


def sixteen_bit(value: int) -> bytes:
    done, data = cv2.imencode(".png", (SQUARE * value).astype(np.uint16))
    assert done
    return data.tobytes()


MASKS = {
    "1-bit png": save(Image.fromarray(SQUARE)),
    "1-bit bmp": save(Image.fromarray(SQUARE), "BMP"),
    "grey 0/1": grey(1),
    "grey 0/255": grey(255),
    "palette": palette(1),
    "rgb": save(Image.fromarray((SQUARE * 255).astype(np.uint8)).convert("RGB")),
    "rgba": save(Image.fromarray((SQUARE * 255).astype(np.uint8)).convert("RGBA")),
    "16 bit 0/65535": sixteen_bit(65535),
    "16 bit 0/1": sixteen_bit(1),
    "16 bit 0/255": sixteen_bit(255),
}


@pytest.mark.parametrize("kind", MASKS)
def test_mask_of_every_encoding(kind: str) -> None:
    mask = images.union([images.pixels_from(MASKS[kind])])
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, SQUARE)


def test_palette_is_looked_up_before_the_threshold() -> None:
    mask = images.union([images.pixels_from(palette(0))])
    assert np.array_equal(mask, ~SQUARE)


def test_values_in_the_lower_half_are_background() -> None:
    values = np.array([[0, 1, 127, 128, 255]], np.uint8)
    assert images.binarise(values).tolist() == [[False, False, False, True, True]]


def test_half_of_the_own_maximum() -> None:
    values = np.array([[0, 40, 50, 100]], np.uint8)
    assert images.half_max([values]).tolist() == [[0, 0, 0, 1]]
    assert images.union([values]).tolist() == [[0, 0, 0, 0]]


def test_union_of_several_lesions_and_label_map() -> None:
    one, two = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    one[0, 0] = two[3, 3] = 255
    assert images.union([one, two]).sum() == 2
    labels = images.label_map([one, two])
    assert labels.dtype == np.uint16
    assert (labels[0, 0], labels[3, 3], labels.sum()) == (1, 2, 3)


def test_stored_masks_are_decoded_when_they_are_looked_at() -> None:
    stored = images.Stored([grey(255), b"damaged"], ["a.png", "b.png"])
    assert len(stored) == 2
    assert len(stored[1:]) == 1
    assert np.array_equal(stored[0] > 0, SQUARE)
    with pytest.raises(SegkitError, match=r"b\.png cannot be decoded"):
        images.classes(stored)


def test_masks_of_one_picture_must_agree_in_size() -> None:
    with pytest.raises(SegkitError, match="differ in size"):
        images.union([np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_picture_of_every_mode_is_rgb(mode: str) -> None:
    ramp = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (5, 1))
    picture = Image.fromarray(ramp)
    picture = (
        Image.fromarray(ramp.astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    )
    data = save(picture, "TIFF" if mode == "CMYK" else "PNG")
    rgb = images.image_from(data)
    assert rgb.shape == (5, 25, 3)
    assert rgb.dtype == np.uint8
    if mode not in ("1", "P", "CMYK"):
        assert np.array_equal(rgb[..., 0], ramp)


def test_twelve_bits_in_sixteen_are_not_dark() -> None:
    values = np.array([[0, 4095]], np.uint16)
    assert images.to_rgb(values)[..., 0].tolist() == [[0, 255]]


def test_constant_alpha_is_dropped_and_other_alpha_blends_on_black() -> None:
    pixels = np.full((1, 2, 4), 200, np.uint8)
    assert images.to_rgb(pixels).tolist() == [[[200] * 3, [200] * 3]]
    pixels[0, 0, 3], pixels[0, 1, 3] = 0, 255
    assert images.to_rgb(pixels).tolist() == [[[0] * 3, [200] * 3]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_rotation_only_if_the_mask_says_so(turn: int) -> None:
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = turn
    data = save(stored, "WEBP", lossless=True, exif=exif)
    plain = np.asarray(stored)
    right = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(images.image_from(data), plain)
    assert np.array_equal(images.image_from(data, match=(16, 24)), plain)
    assert np.array_equal(images.image_from(data, orient=True), right)
    if turn >= 5:
        assert np.array_equal(images.image_from(data, match=(24, 16)), right)


def test_reduced_decoding_never_goes_below_what_is_asked() -> None:
    data = save(Image.fromarray(np.full((1600, 2000, 3), 90, np.uint8)), "JPEG")
    reduced = images.image_from(data, at_least=(300, 300))
    assert reduced.shape == (400, 500, 3)
    assert images.size_of(data) == (1600, 2000)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_errors(share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "BMP", "TIFF"):
        data = save(Image.fromarray(noise), kind)
        with pytest.raises(SegkitError, match="cannot be decoded"):
            images.image_from(data[: int(len(data) * share)], name="x")


def test_enormous_pictures_are_refused_before_they_are_decoded() -> None:
    data = bytearray(save(Image.fromarray(np.zeros((4, 4), np.uint8))))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(SegkitError, match="cannot be decoded"):
        images.image_from(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "TIFF"]), st.data())
def test_fuzzed_pictures_give_pixels_or_a_segkit_error(kind: str, data: st.DataObject) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (16, 16), dtype=np.uint8)
    raw = bytearray(save(Image.fromarray(noise), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        rgb = images.image_from(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except SegkitError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3


def _shape() -> np.ndarray:
    mask = np.zeros((20, 24), np.uint8)
    mask[4:12, 6:18] = 255
    return mask


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255)])
def test_a_mask_that_alpha_carries_is_read_by_alpha(ink: Any, ground: Any, tmp_path: Path) -> None:
    """Drawn in one colour on a transparent layer, whatever colour hides below."""
    alpha = _shape()
    rgb = np.where(alpha[..., None] > 0, np.array(ink), np.array(ground)).astype(np.uint8)
    Image.fromarray(np.dstack([rgb, alpha])).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), alpha // 255)


def test_a_photo_that_is_cut_out_is_read_by_alpha(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(np.dstack([photo, _shape()])).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), _shape() // 255)
    grey = np.dstack([_shape() // 2, _shape()])  # grey with alpha, drawn in one tone
    Image.fromarray(grey, "LA").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.png"), _shape() // 255)


def test_alpha_that_carries_nothing_is_not_read(tmp_path: Path) -> None:
    rgb = np.repeat(_shape()[..., None], 3, 2)
    frame = np.full((20, 24), 255, np.uint8)
    frame[0] = 0  # a transparent edge around an ordinary mask
    for alpha in (frame, np.full((20, 24), 255, np.uint8), np.zeros((20, 24), np.uint8)):
        Image.fromarray(np.dstack([rgb, alpha])).save(tmp_path / "mask.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), _shape() // 255)
