"""Small files that would take gigabytes are refused before they are decoded."""

import io
import resource
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.data import announced, images, memory
from segkit.errors import SegkitError, UsageError


@pytest.fixture(autouse=True)
def small():
    memory.choose("64M")
    yield
    memory.choose(None)


def encoded(mode, size, form="PNG", **options):
    sink = io.BytesIO()
    Image.new(mode, size).save(sink, form, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("text", "value"), [("4G", 4 << 30), ("0.5 GiB", 1 << 29), ("500mb", 500 << 20)]
)
def test_memory_is_read_as_people_write_it(text, value):
    assert memory.parse(text) == value


@pytest.mark.parametrize("text", ["", "G", "-1G", "1M", "1e9", "4GG", "inf"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError, match="not understood"):
        memory.parse(text)


def test_the_usual_bound_is_a_quarter(monkeypatch):
    memory.choose(None)
    monkeypatch.setattr(memory, "machine", lambda: 8 << 30)
    assert memory.bound() == 2 << 30
    monkeypatch.setenv("SEGKIT_MAX_MEMORY", "1G")
    assert memory.bound() == 1 << 30


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "F", "CMYK"])
def test_a_bomb_is_refused_before_it_is_decoded(mode):
    form = "TIFF" if mode in ("F", "CMYK") else "PNG"
    data = encoded(mode, (4000, 4000), form)
    tracemalloc.start()
    with pytest.raises(SegkitError, match=r"4000x4000 pixels would take .*--max-memory"):
        images.image_from(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6 + 2 * len(data)


def test_a_jpeg_that_can_be_decoded_reduced_is_let_through():
    data = encoded("RGB", (4000, 4000), "JPEG")
    assert images.image_from(data, at_least=(250, 250)).shape == (500, 500, 3)
    with pytest.raises(SegkitError, match="would take"):
        images.image_from(data)
    progressive = encoded("RGB", (4000, 4000), "JPEG", progressive=True)
    with pytest.raises(SegkitError, match="would take"):  # its coefficients are held whole
        images.image_from(progressive, at_least=(250, 250))


def test_a_head_that_only_opencv_reads_is_held_against_the_bound():
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n"
    with pytest.raises(SegkitError, match="would take"):
        images.image_from(head)
    with pytest.raises(SegkitError, match="would take"):
        images.image_from(b"P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 4\nMAXVAL 255\nENDHDR\n")


def test_a_file_larger_than_the_memory_is_not_read(tmp_path):
    with open(tmp_path / "x.png", "wb") as handle:
        handle.truncate(1 << 30)
    with pytest.raises(SegkitError, match="the file would take"):
        images.read_image(tmp_path / "x.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "I;16", "F"])
def test_the_estimate_is_above_what_numpy_takes(mode, tmp_path):
    memory.choose("4G")
    noise = np.random.default_rng(0).integers(0, 255, (600, 700, 4), dtype=np.uint8)
    picture = Image.fromarray(noise, "RGBA")
    if mode == "I;16":
        picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 250)
    else:
        picture = picture.convert("L").convert("F") if mode == "F" else picture.convert(mode)
    file = tmp_path / ("x.tif" if mode == "F" else "x.png")
    picture.save(file)
    known = announced.of_file(file)
    assert (known.height, known.width) == (600, 700)
    tracemalloc.start()
    images.read_image(file)
    assert (
        tracemalloc.get_traced_memory()[1] < known.cost + file.stat().st_size + 20e6
    )  # and the strips
    tracemalloc.stop()


def test_strips_change_no_pixel():
    pixels = np.random.default_rng(1).integers(0, 256, (600, 40, 4), dtype=np.uint8)
    whole = np.round(pixels[..., :3] * (pixels[..., 3:] / 255.0)).astype(np.uint8)
    np.testing.assert_array_equal(images.to_rgb(pixels), whole)


def test_what_pillow_refuses_is_not_handed_to_opencv_but_for_the_kinds_that_only_it_reads():
    """A small PNG announces a chunk of two gigabytes: OpenCV set them aside before it looked."""
    whole = encoded("LA", (50, 59))
    png = whole[:24] + bytes([8, 4, 0, 0, 0]) + bytes(4) + struct.pack(">I", 1 << 31) + whole[37:]
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(io.BytesIO(png))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SegkitError, match="not a picture, or a damaged one"):
        images.image_from(png)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_directory_of_a_deep_tiff_is_held_against_the_bound(order):
    entries = [(256, 4, 30000), (257, 4, 30000), (258, 3, 16), (262, 3, 2), (277, 3, 3)]
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, value in entries:
        field = struct.pack(f"{order}HH" if kind == 3 else f"{order}I", *([value, 0][: 5 - kind]))
        data += struct.pack(f"{order}HHI", tag, kind, 1) + field
    with pytest.raises(SegkitError, match="memory"):
        images.image_from(data + bytes(4))
    with pytest.raises(SegkitError, match="damaged directory"):
        images.image_from(data[:30])


def test_a_tiff_of_three_float_channels_is_read():
    pixels = np.random.default_rng(0).random((5, 7, 3), dtype=np.float32)
    data = cv2.imencode(".tif", pixels[..., ::-1])[1].tobytes()
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(io.BytesIO(data))
    assert np.array_equal(images.pixels_from(data, "x"), (pixels * 255).astype(np.uint8))


def test_what_this_process_holds_is_at_most_what_it_has_held():
    assert 10 << 20 < memory.held() <= memory.highest() < 1 << 40
