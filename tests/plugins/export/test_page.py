"""The page as a person uses it: many files, bad files, the camera, the band, what is saved."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segkit.data.geometry import fit, geometry
from segkit.engine.certificate import Certificate
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import drawing
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.predictor import Predictor

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROW = {"class": "foreground", "enough": True}
CERTIFICATE = {
    "alpha": 0.1,
    "delta": 0.1,
    "classes": ["background", "foreground"],
    "groups": {"names": ["small", "large"], "edges": [0.12]},
    "margins": [
        ROW | {"group": "all", "outer": {"per_picture": 3.0}, "inner": {"per_picture": 2.0}},
        ROW | {"group": "small", "outer": {"per_picture": 4.2}, "inner": {"per_picture": 1.5}},
        ROW | {"group": "large", "outer": {"per_picture": None}, "inner": {"per_picture": 1.0}},
    ],
}


A_MOMENT = "await new Promise((done) => setTimeout(done, 50))"


@pytest.fixture(scope="module")
def folder(subject, tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    export(replace(subject, certificate=Certificate(CERTIFICATE)), "web", out)
    return out / "unet-web"


@pytest.fixture(scope="module")
def browser(folder, open_page):
    return open_page(folder)


@pytest.fixture(scope="module")
def pictures():
    sizes = [(150, 210), (64, 64), (90, 60)]
    return [drawing(np.random.default_rng(seed), 1, *size, 3)[0] for seed, size in enumerate(sizes)]


def file_of(picture: np.ndarray, kind: str = "PNG", **settings) -> bytes:
    handle = io.BytesIO()
    Image.fromarray(picture).save(handle, kind, **settings)
    return handle.getvalue()


@pytest.fixture
def dropped(browser, call):
    """{name: bytes} -> what the page's list says of each, once all are worked through."""

    def dropped_(files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
        call(browser, "{ await segkit.ready; return 1; }")
        browser.execute_script("segkit.forget()")
        sent = json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()})
        call(
            browser,
            f"{{ const files = Object.entries({sent}).map(([name, text]) => new File("
            "[Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));"
            "const data = new DataTransfer(); files.forEach((file) => data.items.add(file));"
            "const drop = { dataTransfer: data, bubbles: true, cancelable: true };"
            "document.dispatchEvent(new DragEvent('drop', drop));"
            f"while (document.querySelector('#list .waiting')) {A_MOMENT}; return 1; }}",
        )
        rows = browser.execute_script(
            "return [...document.querySelectorAll('#list li')].map((row) =>"
            " [row.firstChild.textContent, row.className, row.lastChild.textContent]);"
        )
        severe = [item for item in browser.get_log("browser") if item["level"] == "SEVERE"]
        assert severe == []
        return {name: (state, text) for name, state, text in rows}

    return dropped_


def archive(browser, call) -> zipfile.ZipFile:
    text = call(
        browser,
        "{ const bytes = new Uint8Array(await (await segkit.archive()).arrayBuffer());"
        "return btoa(Array.from(bytes, (value) => String.fromCharCode(value)).join('')); }",
    )
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(text)))


def test_a_batch_goes_into_a_zip_of_masks_and_a_table(browser, call, dropped, folder, pictures):
    names = ["a b.png", "same.png", "same.jpg"]
    contents = [
        file_of(pictures[0]),
        file_of(pictures[1]),
        file_of(pictures[2], "JPEG", quality=95),
    ]
    rows = dropped(dict(zip(names, contents, strict=True)))
    assert [state for state, _ in rows.values()] == ["done"] * 3
    assert all(" ms" in text or " s" in text for _, text in rows.values())
    assert "3 of 3 segmented" in browser.find_element("id", "summary").text
    found = archive(browser, call)
    assert found.testzip() is None
    masks = ["masks/a b.png", "masks/same.png", "masks/same-2.png"]
    assert found.namelist() == [*masks, "areas.csv"]
    predictor = Predictor(OnnxSegmenter(folder / "model.onnx"))
    table = list(csv.DictReader(io.StringIO(found.read("areas.csv").decode())))
    for content, mask, row in zip(contents, masks, table, strict=True):
        wanted, _ = predictor(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
        got = np.asarray(Image.open(io.BytesIO(found.read(mask))).convert("L")) // 255
        assert (got == wanted).mean() >= 0.999
        assert (row["mask"], int(row["foreground"])) == (mask, got.sum())


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_saying(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def animated(kind: str, pictures) -> bytes:
    frames = [Image.fromarray(picture).resize((60, 50)) for picture in pictures]
    handle = io.BytesIO()
    frames[0].save(handle, kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
    return handle.getvalue()


def cmyk(picture: np.ndarray) -> bytes:
    handle = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(handle, "JPEG")
    return handle.getvalue()


def test_hostile_files_are_a_line_each_and_the_page_goes_on(dropped, pictures):
    good = pictures[0]
    whole = file_of(good)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>window.harmed = 1</script></svg>'
    refused = {
        "cut.png": (whole[: len(whole) // 2], "cut short"),
        "cut.jpg": (file_of(good, "JPEG")[:-900], "cut short"),
        "head only.jpg": (file_of(good, "JPEG")[:40], "cut short"),
        "bit.png": (bytes(flipped), "damaged"),
        "bomb.png": (png_saying(30_000, 30_000), "30,000 × 30,000 pixels are more than"),
        "no side.png": (png_saying(0, 50), "0 × 50"),
        "little data.png": (png_saying(40, 50), "damaged"),
        "empty.png": (b"", "empty"),
        "script.svg": (script, "SVG"),
        "script.png": (script, "SVG"),
        "text.jpg": (b"hello, this is no picture", "no picture"),
        "scan.tif": (file_of(good, "TIFF"), "TIFF"),
        "cut.gif": (animated("GIF", pictures)[:-700], "cut short"),
        "cut.webp": (animated("WEBP", pictures)[:-200], "cut short"),
        "noise.png": (np.random.default_rng(0).bytes(5000), "no picture"),
        "marker.jpg": (b"\xff\xd8\xff\xe0\x00\x10" + bytes(200), "damaged"),
    }
    taken = {
        "film.gif": (animated("GIF", pictures), "the first of 3 pictures"),
        "film.webp": (animated("WEBP", pictures), "animated"),
        "deep.png": (deep(good), "16 bits"),
        "grey.jpg": (file_of(good[..., 0], "JPEG"), "%"),
        "ink.jpg": (cmyk(good), "CMYK"),
        "really a png.jpg": (whole, "%"),
        "=cmd.png": (whole, "%"),
    }
    rows = dropped({name: data for name, (data, _) in (refused | taken).items()})
    assert set(rows) == set(refused | taken)
    for name, (_, reason) in refused.items():
        assert rows[name][0] == "failed", (name, rows[name])
        assert reason in rows[name][1], (name, rows[name])
    for name, (_, note) in taken.items():
        assert rows[name][0] == "done", (name, rows[name])
        assert note in rows[name][1], (name, rows[name])


def harmed(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with bytes changed, taken out, put in or cut off at random places."""
    found, at = bytearray(data), int(rng.integers(len(data)))
    if (kind := rng.integers(4)) == 0:
        return bytes(found[:at])
    if kind == 1:
        del found[at : at + int(rng.integers(1, 64))]
    elif kind == 2:
        found[at:at] = rng.bytes(int(rng.integers(1, 64)))
    for place in rng.integers(0, max(1, min(len(found), 400 if kind == 3 else 1 << 30)), 4):
        found[place] ^= 1 << int(rng.integers(8))
    return bytes(found)


def test_harmed_files_never_stop_the_page(dropped, pictures):
    rng = np.random.default_rng(20)
    small = pictures[1]
    whole = [file_of(small, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")]
    whole += [file_of(small, "WEBP", lossless=True), animated("GIF", pictures), cmyk(small)]
    files = {f"{i}.jpg": harmed(whole[i % len(whole)], rng) for i in range(48)}
    rows = dropped(files | {"good.png": whole[0]})
    assert len(rows) == 49
    assert rows["good.png"][0] == "done"
    assert {state for state, _ in rows.values()} == {"done", "failed"}
    assert all(len(text) > 5 for _, text in rows.values())


def deep(picture: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".png", picture.astype(np.uint16) * 257)[1].tobytes()


def test_no_script_of_a_picture_ran_and_the_table_holds_no_formula(
    browser, call, dropped, pictures
):
    dropped({"=cmd.png": file_of(pictures[1]), '<img src=x onerror="harmed=1">.png': b"x"})
    assert browser.execute_script("return typeof window.harmed") == "undefined"
    assert archive(browser, call).read("areas.csv").decode().splitlines()[1].startswith("'=cmd.png")


def test_the_band_is_pythons(browser, call, folder, pictures):
    certificate = Certificate(CERTIFICATE)
    segmenter = OnnxSegmenter(folder / "model.onnx")
    groups = set()
    for picture in pictures:
        data = base64.b64encode(file_of(picture)).decode()
        found = call(
            browser,
            "{ await segkit.ready;"
            f"const bytes = Uint8Array.from(atob('{data}'), (letter) => letter.charCodeAt(0));"
            "const result = await segkit.segment(new Blob([bytes]));"
            "const parts = ({ inner, predicted, outer }) => [inner, predicted, outer];"
            "return segkit.bands(result, segkit.card.threshold)"
            ".map((band) => parts(band).map((part) => Array.from(part))); }",
        )
        shape = geometry(picture.shape[:2], segmenter.size, segmenter.resize)
        mask = segmenter.masks(fit(picture, segmenter.size, segmenter.resize)[0][None])[0]
        wanted = certificate.bands(mask, shape)
        assert len(found) == len(wanted) == 1
        groups.add(wanted[0].group)
        for part, ours in zip(
            found[0], (wanted[0].inner, wanted[0].predicted, wanted[0].outer), strict=True
        ):
            assert (np.array(part, bool).reshape(ours.shape) == ours).mean() >= 0.999
    assert groups == {"small", "large"}
    assert call(browser, "{ return segkit.bands({}, 0.25).length; }") == 0  # another threshold


def test_a_person_is_told_what_the_band_promises(browser, dropped, pictures):
    dropped({"one.png": file_of(pictures[0])})
    assert (
        "the outer margin holds at least 0.9 of the truth"
        in browser.find_element("id", "promise").text
    )
    with_band = browser.execute_script("return document.getElementById('view').toDataURL()")
    browser.find_element("id", "band").click()
    without = browser.execute_script("return document.getElementById('view').toDataURL()")
    browser.find_element("id", "band").click()
    assert with_band != without
    browser.execute_script(
        "const slider = document.getElementById('threshold'); slider.value = 40;"
        "slider.dispatchEvent(new Event('input'));"
    )
    assert "certified at the threshold 0.50 only" in browser.find_element("id", "promise").text


def test_the_camera_gives_a_picture(browser, call, dropped, pictures):
    dropped({"one.png": file_of(pictures[1])})
    browser.find_element("id", "photo-again").click()
    call(
        browser,
        "{ const find = (css) => document.querySelector(css), video = find('#finder');"
        f"while (find('#camera').hidden || !video.videoWidth) {A_MOMENT};"
        "find('#shutter').click();"
        f"while (!find('#list li + li') || find('#list .waiting')) {A_MOMENT}; return 1; }}",
    )
    second = browser.find_elements("css selector", "#list li")[1]
    assert second.get_attribute("class") == "done"
    assert second.text.startswith("camera-")
    assert not browser.find_element("id", "camera").is_displayed()
