"""Every network of the zoo, and what their settings change, through the ONNX exporter's gate."""

import numpy as np
import pytest

from segkit import build, plugins
from segkit.engine.costs.zoo_export import options_for, settled
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import drawing

VARIANTS = [
    ("unet", {"width": 8, "up": "transposed"}),
    ("attunet", {"width": 8, "gate": False}),
    ("unetpp", {"width": 8, "deep_supervision": True}),
    ("resenc_unet", {"stages": 5, "plain": True}),
    ("deeplabv3plus", {"depth": 34}),
    ("tinyunet", {"fields": 2}),
    ("ultralight_vmunet", {"init": "proper"}),
    ("egeunet", {"num_classes": 3}),
    ("malunet", {"num_classes": 3}),
]


# their exports have not been through the gate yet: named here, so that nobody takes them for proven
UNPROVEN = {
    "mhorunet",  # torch.onnx raises a ConversionError while it translates the program
    "rwkv_unet",
    "rwkv_unet_t",  # refused: one pixel of 64x64 flips, 0.024 % where the bound is 0.01 %
    "swin_umamba",
    "transunet",
}


def cases():
    known = (build.architecture(name) for name in plugins.names("architectures"))
    here = [value for value in known if not build.missing(value)]
    networks = [(value.name, {}) for value in sorted(here, key=lambda value: value.params)]
    for name, settings in networks + VARIANTS:
        words = [f"{key}={value}" for key, value in settings.items()]
        waits = pytest.mark.skipif(name in UNPROVEN, reason="not through the gate yet")
        yield pytest.param(name, settings, id=",".join([name, *words]), marks=waits)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), list(cases()))
def test_onnx(name, settings, tmp_path):
    pytest.importorskip("onnxscript")
    subject = settled(name, settings)
    report = export(subject, "onnx", tmp_path, options_for(subject))
    assert report["dynamic"] == ["batch", "height", "width"]
    assert report["graph_bytes"] < 1e6  # no unrolled loop, no weights counted as graph
    assert _spread(subject) > 10 * max(case["bound"] for case in report["cases"])


def _spread(subject):
    """How much the logits vary within the first picture of the gate."""
    images = drawing(np.random.default_rng(0), 1, *subject.size, subject.channels)
    return float(subject.logits(subject.inputs(images)).std())
