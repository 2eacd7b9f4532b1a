"""VMPANet's and QTSeg's pages on dermoscopy: drawn lesions, or real ones where they are at hand.

With `SEGKIT_REAL_DATA` set to the folder that holds `isic2017_fullres_sample`, the pictures are
three of ISIC 2017 at their original size.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.engine import register
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import drawing
from segkit.engine.exporting.subject import find_subject
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.predictor import Predictor, load

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.slow, pytest.mark.browser]

REAL = os.environ.get("SEGKIT_REAL_DATA")
SAMPLE = "isic2017_fullres_sample/ISIC-2017_Training_Data.zip"


def lesion(rng: np.random.Generator) -> bytes:
    """A blurred dark blob on skin with hairs, as a JPEG file larger than the network's input."""
    canvas = cv2.GaussianBlur(drawing(rng, 1, 180, 240, 3)[0], (0, 0), 2)
    canvas = (canvas * (1.0, 0.85, 0.75)).astype(np.uint8)
    for _ in range(12):
        ends = rng.integers(0, 180, 4).tolist()
        cv2.line(canvas, tuple(ends[:2]), tuple(ends[2:]), (60, 40, 35), 1, cv2.LINE_AA)
    handle = io.BytesIO()
    Image.fromarray(canvas).save(handle, "JPEG", quality=92)
    return handle.getvalue()


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    if not REAL:
        return [lesion(np.random.default_rng(seed)) for seed in (3, 4, 5)]
    with zipfile.ZipFile(Path(REAL) / SAMPLE) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        return [archive.read(name) for name in (names[0], names[20], names[41])]


@pytest.mark.parametrize("name", ["vmpanet", "qtseg"])
def test_the_page_segments_dermoscopy_as_predict_does(
    name, files, teach, open_page, segmented, tmp_path
):
    subject = find_subject(name, size=(64, 64))
    pictures = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    small = np.stack(
        [cv2.resize(item, (64, 64), interpolation=cv2.INTER_AREA) for item in pictures]
    )
    teach(subject, small, 30, 0.003)
    export(subject, "web", tmp_path)
    browser = open_page(tmp_path / f"{name}-web")
    predictor = Predictor(OnnxSegmenter(tmp_path / f"{name}-web" / "model.onnx"))
    shares = []
    for file, picture in zip(files, pictures, strict=True):
        mask, milliseconds = segmented(browser, file)
        wanted, _ = predictor(picture)
        assert (mask == wanted).mean() >= 0.999
        assert milliseconds > 0
        shares.append(wanted.mean())
    assert 0.01 < np.mean(shares) < 0.9  # the masks show something


def test_the_page_of_a_trained_network_segments_a_photo(open_page, segmented, tmp_path):
    """What `segkit export dermoscopy --to web` writes, on a real picture, as `predict` does."""
    export(find_subject("dermoscopy"), "web", tmp_path)
    photo = register.example("dermoscopy")
    assert photo is not None
    mask, _ = segmented(open_page(tmp_path / "dermoscopy-web"), photo.read_bytes())
    wanted, _ = load("dermoscopy")(np.asarray(Image.open(photo).convert("RGB")))
    assert (mask == wanted).mean() >= 0.9999
    assert 0.1 < wanted.mean() < 0.9
