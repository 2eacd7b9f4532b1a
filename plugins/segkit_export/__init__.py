"""The formats to ship a network in. Importing this imports no torch."""

from __future__ import annotations

from segkit.api import Exporter

GRAPH = ("onnx", "onnxruntime", "onnxscript")  # to write an ONNX graph and to check it

ONNX = Exporter(
    name="onnx",
    summary="ONNX with dynamic batch and size; card, preprocessing and threshold in the metadata.",
    make="segkit_export.onnx_format:OnnxFormat",
    suffix=".onnx",
    extra="export",
    requires=GRAPH,
)
PT2 = Exporter(
    name="pt2",
    summary="A torch.export program; needs `import segkit` where there are scans.",
    make="segkit_export.pt2_format:Pt2Format",
    suffix=".pt2",
)
WEB = Exporter(
    name="web",
    summary="A page that segments pictures in the browser, offline: nothing leaves the device.",
    make="segkit_export.web_format:WebFormat",
    suffix="",
    extra="web",
    requires=GRAPH,
)
BIOIMAGEIO = Exporter(
    name="bioimageio",
    summary="A bioimage.io package (.zip) for QuPath, ilastik, deepImageJ and bioimageio.core.",
    make="segkit_export.bioimageio_format:BioimageioFormat",
    suffix=".zip",
    extra="export",
    requires=GRAPH,
)
OPENVINO = Exporter(
    name="openvino",
    summary="OpenVINO IR (.xml and .bin) for Intel processors.",
    make="segkit_export.openvino_format:OpenVinoFormat",
    suffix=".xml",
    extra="openvino",
    requires=("openvino", "onnx", "onnxscript"),
)
EXECUTORCH = Exporter(
    name="executorch",
    summary="ExecuTorch program (XNNPACK) for phones, at the network's size.",
    make="segkit_export.executorch_format:ExecutorchFormat",
    suffix=".pte",
    extra="executorch",
    requires=("executorch",),
)
