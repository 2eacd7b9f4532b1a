"""The bioimage.io package: valid by its own validator, and the masks of the network."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from segkit import build
from segkit.engine.exporting.export import export
from segkit.engine.exporting.subject import (
    Subject,
    find_subject,
    of_architecture,
    with_preprocessing,
)
from segkit.engine.predicting.onnx_runtime import probabilities_of
from segkit_export import bioimageio_format as form

pytest.importorskip("onnxscript")


THREE = pytest.param(3, marks=pytest.mark.slow, id="three classes")


@pytest.fixture(scope="module", params=[pytest.param(1, id="two classes"), THREE])
def made(
    request: Any, subject: Subject, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Subject, Path]:
    """A small network and its package."""
    if request.param == 3:
        subject = of_architecture("unet", (64, 96), {"width": 4, "levels": 3, "num_classes": 3})
    out = tmp_path_factory.mktemp("bio")
    export(subject, "bioimageio", out)
    return subject, next(out.glob("*.bioimageio.zip"))


def contents(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_its_own_validator_finds_nothing(made: tuple[Subject, Path]) -> None:
    spec = pytest.importorskip("bioimageio.spec")
    found = spec.load_description(made[1], perform_io_checks=True)
    summary = found.validation_summary
    assert summary.status == "valid-format", summary.format()
    assert str(found.inputs[0].id) == "image"


def test_its_own_runner_repeats_the_test_output(made: tuple[Subject, Path]) -> None:
    core = pytest.importorskip("bioimageio.core")  # where its version of bioimageio.spec fits
    assert core.test_model(made[1], weight_format="onnx").status == "passed"


def test_every_file_has_its_checksum(made: tuple[Subject, Path]) -> None:
    files = contents(made[1])
    described = yaml.safe_load(files["rdf.yaml"])
    parts = [described["weights"]["onnx"]]
    parts += [one["test_tensor"] for one in (*described["inputs"], *described["outputs"])]
    for part in parts:
        assert hashlib.sha256(files[part["source"]]).hexdigest() == part["sha256"]
    assert described["documentation"] in files


def test_the_cover_shows_the_mask(made: tuple[Subject, Path]) -> None:
    picture, mask = np.full((64, 96, 3), 90, np.uint8), np.zeros((64, 96), np.uint8)
    mask[20:40, 30:60] = 1
    shown = np.asarray(Image.open(io.BytesIO(form.cover(picture, mask))))
    assert shown.shape == (256, 512, 3)
    assert (shown[:, :256] == 90).all()
    assert (shown[60:180, 256:] != 90).any()
    assert (shown[:40, 256:] == 90).all()
    files = contents(made[1])
    assert yaml.safe_load(files["rdf.yaml"])["covers"][0]["source"] in files


def test_what_is_known_of_paper_and_licence_is_said(made: tuple[Subject, Path]) -> None:
    described = yaml.safe_load(contents(made[1])["rdf.yaml"])
    paper = build.architecture(made[0].card["architecture"]).paper
    assert paper is not None
    assert described["cite"][0]["url"] == paper.url
    assert "license" not in described  # nobody has said it
    tiny = find_subject("dermoscopy-tiny", count=0)
    assert tiny.card["weights_licence"] == "CC0-1.0"
    files = dict.fromkeys((form.WEIGHTS, form.INPUT, form.OUTPUT, form.COVER), b"")
    assert form.description(tiny, files, 20)["license"] == "CC0-1.0"


def test_a_reader_gets_the_masks_of_the_network(made: tuple[Subject, Path]) -> None:
    """As a reader works: the graph by ONNX Runtime, then what the description says to do."""
    runtime = pytest.importorskip("onnxruntime")
    subject, package = made
    files = contents(package)
    described = yaml.safe_load(files["rdf.yaml"])
    picture = np.load(io.BytesIO(files[form.INPUT]))
    axes = [axis.get("id", axis["type"]) for axis in described["inputs"][0]["axes"]]
    assert axes == ["batch", "y", "x", "channel"]
    assert picture.shape == (1, *subject.size, 3)
    assert picture.dtype == np.uint8
    session = runtime.InferenceSession(files[form.WEIGHTS], providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": picture})[0]
    expected = np.load(io.BytesIO(files[form.OUTPUT]))
    several = logits.shape[1] > 1
    (last,) = described["outputs"][0]["postprocessing"]
    assert last["id"] == ("softmax" if several else "sigmoid")
    names = described["outputs"][0]["axes"][1]["channel_names"]
    assert len(names) == expected.shape[1]
    np.testing.assert_allclose(probabilities_of(logits), expected, atol=1e-4)
    own = with_preprocessing(subject).logits(picture)
    mask, same = (x.argmax(1) if several else x > 0 for x in (own, logits))
    np.testing.assert_array_equal(mask, same)
    assert 0.0 < expected.min() < expected.max() < 1.0


@pytest.mark.slow
def test_the_same_network_gives_the_same_file(subject: Subject, tmp_path: Path) -> None:
    files = [tmp_path / name / "x.zip" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        form.BioimageioFormat().write(with_preprocessing(subject), file, form.ExportOptions())
    assert files[0].read_bytes() == files[1].read_bytes()
