"""Prediction with an ONNX file: the masks of the run, without torch in the process."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segkit.cli import run as segkit
from segkit.testing.runs import make_run

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # any import of torch fails
from segkit.cli import run
code = run(sys.argv[1:])
assert not any(name.startswith("torch.") for name in sys.modules)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    run = make_run(folder / "run", {"data": {"normalise": "minmax_signed", "colour": "ycrcb"}})
    assert segkit(["export", str(run.path), "--to", "onnx", "--out", str(folder / "onnx")]) == 0
    return run.path, next((folder / "onnx").glob("*.onnx"))


def test_an_onnx_file_gives_the_masks_of_the_run(exported, tmp_path):
    run, onnx = exported
    for index, size in enumerate([(64, 64), (90, 50), (20, 300)]):
        noise = np.random.default_rng(index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{index}.png")
    for tta in ("none", "d4"):
        with_torch, without = tmp_path / f"run-{tta}", tmp_path / f"onnx-{tta}"
        words = [str(tmp_path / "*.png"), "--tta", tta, "--out"]
        assert segkit(["predict", str(run), *words, str(with_torch)]) == 0
        command = [sys.executable, "-c", WITHOUT_TORCH, "predict", str(onnx), *words, str(without)]
        subprocess.run(command, check=True, capture_output=True)
        for index in range(3):
            one, other = (
                np.array(Image.open(f / f"masks/{index}.png")) for f in (with_torch, without)
            )
            assert one.shape == other.shape
            assert (one != other).mean() < 1e-3  # rounding at the threshold
