"""Static int8 of an ONNX model: convolutions and products, calibrated on real pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from segkit.engine.exporting.subject import Subject
from segkit_export.onnx_compact import compact

KINDS = ["Conv", "ConvTranspose", "MatMul", "Gemm"]


class Pictures(CalibrationDataReader):
    """The validation pictures, one by one, as the network sees them."""

    def __init__(self, inputs: np.ndarray):
        self.rest: Iterator[np.ndarray] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch of one, or None at the end."""
        picture = next(self.rest, None)
        return None if picture is None else {"image": picture[None]}


def quantise(model: onnx.ModelProto, subject: Subject) -> onnx.ModelProto:
    """The model with int8 weights and activations; scans and everything else stay float32."""
    assert subject.images is not None, "the exporter refuses int8 without pictures"
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(model, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            small,
            Pictures(subject.inputs(subject.images)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=KINDS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return compact(onnx.load(small))
