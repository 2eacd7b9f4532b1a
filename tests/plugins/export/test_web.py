"""The page: complete, quiet on the network, and in a browser equal to `segkit predict`."""

from __future__ import annotations

import base64
import io
import json
import re
import threading

import numpy as np
import pytest
from PIL import Image

from segkit.data.geometry import fit, geometry, unfit
from segkit.engine.exporting.export import ExportOptions, export
from segkit.engine.exporting.parity import drawing
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.predictor import Predictor

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def folder(subject, tmp_path_factory):
    out = tmp_path_factory.mktemp("web")
    export(subject, "web", out)
    return out / "unet-web"


def test_the_folder_holds_all_it_needs(folder):
    names = {item.name for item in folder.iterdir()}
    assert names == {
        "index.html",
        "model.onnx",
        "ort.mjs",
        "ort.wasm.gz",
        "LICENSE-onnxruntime.txt",
    }
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "{{" not in page
    assert "Not a medical device" in page
    assert "connect-src 'self'" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert not re.findall(r"https?://", page)


def test_a_title_cannot_break_out_of_the_page(subject):
    from segkit_export.web_format import page

    card = subject.card | {"classes": ["background", "</script><b>x"], "dataset": "<i>", "run": ""}
    text = page(card, {})
    assert "</script><b>x" not in text.lower()
    assert text.count("</script>") == 2


@pytest.mark.slow
def test_the_single_file_holds_the_same_model(folder, subject, tmp_path):
    report = export(subject, "web", tmp_path, ExportOptions(single_file=True))
    page = (tmp_path / "unet.html").read_text(encoding="utf-8")
    assert report["file"].endswith("unet.html")
    assert "connect-src 'none'" in page
    model = re.search(r'id="asset-model.onnx">([^<]*)<', page)
    assert base64.b64decode(model[1]) == (folder / "model.onnx").read_bytes()
    assert "Permission is hereby granted" in page


@pytest.fixture(scope="module")
def browser(folder, open_page):
    return open_page(folder)


@pytest.mark.browser
def test_the_page_segments_as_predict_does(browser, segmented, folder):
    picture = drawing(np.random.default_rng(7), 1, 150, 210, 3)[0]
    handle = io.BytesIO()
    Image.fromarray(picture).save(handle, "PNG")
    mask, milliseconds = segmented(browser, handle.getvalue())
    wanted, _ = Predictor(OnnxSegmenter(folder / "model.onnx"))(picture)
    assert 0.02 < wanted.mean() < 0.5
    assert (mask == wanted).mean() >= 0.999
    assert milliseconds > 0


@pytest.mark.browser
def test_a_person_sees_area_and_time(browser, call, tmp_path):
    call(browser, "{ await segkit.ready; return 1; }")
    file = tmp_path / "picture.png"
    Image.fromarray(drawing(np.random.default_rng(7), 1, 150, 210, 3)[0]).save(file)
    browser.find_element("id", "file").send_keys(str(file))
    shown = browser.find_element("id", "result")
    for _ in range(100):
        if shown.is_displayed():
            break
        threading.Event().wait(0.1)
    assert "210 × 150" in shown.text
    assert re.search(r"\d (ms|s)\b", shown.text)
    assert re.search(r"foreground [\d,]+ \d+\.\d\d %", shown.text)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
@pytest.mark.parametrize("rule", ["stretch", "letterbox"])
@pytest.mark.parametrize("original", [(70, 90), (40, 30), (200, 64), (64, 64)])
def test_the_page_resizes_as_python_does(browser, rule, original):
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (*original, 3), dtype=np.uint8)
    rgba = np.concatenate([picture, np.full((*original, 1), 255, np.uint8)], -1)
    plane = rng.random((64, 64), dtype=np.float32)
    small, big = browser.execute_script(
        f"const shape = segkit.resize.geometry({json.dumps(original)}, [64, 64], '{rule}');"
        f"const rgba = Uint8Array.from({rgba.ravel().tolist()});"
        f"const plane = Float32Array.from({plane.ravel().tolist()});"
        "return [Array.from(segkit.resize.fit(rgba, shape)),"
        " Array.from(segkit.resize.unfit(plane, shape))];"
    )
    wanted = fit(picture, (64, 64), rule)[0].astype(int)
    assert np.abs(np.array(small).reshape(64, 64, 3) - wanted).max() <= 1
    back = unfit(plane, geometry(original, (64, 64), rule), nearest=False)
    np.testing.assert_allclose(np.array(big).reshape(original), back, atol=2e-5)
