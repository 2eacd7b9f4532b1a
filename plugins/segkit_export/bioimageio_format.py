"""A bioimage.io package: rdf.yaml, the ONNX graph and test tensors in one .zip, for QuPath,
ilastik, deepImageJ and bioimageio.core. Pictures go in as 8-bit RGB: normalising is in the graph.

Test tensors and cover are drawn, never a picture of the training data: the package may go anywhere.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnx.inliner import inline_local_functions
from PIL import Image

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import Subject
from segkit.engine.predicting.masks import masks_from
from segkit.engine.predicting.onnx_runtime import probabilities_of
from segkit.engine.predicting.outputs import overlay
from segkit_export.onnx_format import add_metadata, convert, facts, session_runner

FORMAT = "0.5.4"  # of the description
WEIGHTS, INPUT, OUTPUT, README = "weights.onnx", "test_input.npy", "test_output.npy", "README.md"
COVER, SIDE = "cover.png", 256  # the picture, and beside it the picture with its mask on it
NOT_IN_A_NAME = re.compile(r"[^\w +().,-]|_(?=_)")


class BioimageioFormat:
    """`segkit export … --to bioimageio`."""

    precisions: tuple[str, ...] = ("float32",)
    inside = True
    fixed = False

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.bioimageio.zip"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """Graph, tensors and texts first; the description names each with its SHA-256."""
        model = convert(subject)
        add_metadata(model, subject)
        graph = inline_local_functions(model)  # readers are not asked to know functions
        picture = drawn_picture(subject.size)
        answer = probabilities_of(subject.logits(picture))
        files = {
            WEIGHTS: graph.SerializeToString(),
            INPUT: _npy(picture),
            OUTPUT: _npy(answer),
            COVER: cover(picture[0], masks_from(answer, subject.card["threshold"])[0]),
            README: _readme(subject).encode(),
        }
        known = facts(model)
        described = description(subject, files, known["opset"])
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
            for name, data in {"rdf.yaml": text.encode(), **files}.items():
                archive.writestr(zipfile.ZipInfo(name), data)  # no date: the same file twice
        return known

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """The graph inside, by ONNX Runtime on the CPU."""
        with zipfile.ZipFile(path) as archive:
            return session_runner(archive.read(WEIGHTS))


def description(subject: Subject, files: dict[str, bytes], version: int) -> dict[str, Any]:
    """rdf.yaml."""
    card = subject.card
    found: dict[str, Any] = {
        "type": "model",
        "format_version": FORMAT,
        "name": _name(str(card.get("run") or card["architecture"])),
        "description": f"{card['summary']} {card['notice']}",
        "documentation": README,
        "covers": [_file(COVER, files)],
        "tags": ["segkit", "semantic-segmentation", "2d", "rgb", str(card["architecture"])],
        "inputs": [_input(subject, files)],
        "outputs": [_output(subject, files)],
        "weights": {"onnx": {**_file(WEIGHTS, files), "opset_version": version}},
        "config": {"segkit": {"producer": card["producer"], "threshold": card["threshold"]}},
    }
    if card["paper_url"]:  # the form takes no paper without an address
        found["cite"] = [{"text": card["paper"], "url": card["paper_url"]}]
    if card.get("weights_licence"):
        found["license"] = card["weights_licence"]
    return found


def _name(text: str) -> str:
    """The form wants 5 to 128 plain characters."""
    return f"segkit {NOT_IN_A_NAME.sub('-', text)}"[:128]


def _input(subject: Subject, files: dict[str, bytes]) -> dict[str, Any]:
    channels = {"type": "channel", "channel_names": ["red", "green", "blue"]}
    return {
        "id": "image",
        "description": f"An RGB picture, brought to this size by '{subject.card['resize']}'",
        "axes": [{"type": "batch"}, *_plane(subject.size), channels],
        "test_tensor": _file(INPUT, files),
        "data": {"type": "uint8", "range": [0, 255]},
    }


def _output(subject: Subject, files: dict[str, bytes]) -> dict[str, Any]:
    classes = [NOT_IN_A_NAME.sub("-", name) for name in subject.card["classes"]]
    names = classes if _several(subject) else classes[1:2] or ["foreground"]
    channels = {"type": "channel", "channel_names": names}
    last = {"id": "softmax", "kwargs": {"axis": "channel"}} if _several(subject) else None
    return {
        "id": "probability",
        "description": f"Foreground is above {subject.card['threshold']}; of classes the largest",
        "axes": [{"type": "batch"}, channels, *_plane(subject.size)],
        "test_tensor": _file(OUTPUT, files),
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "postprocessing": [last or {"id": "sigmoid"}],
    }


def _several(subject: Subject) -> bool:
    return int(subject.card["config"]["num_classes"]) > 1


def _plane(size: tuple[int, int]) -> list[dict[str, Any]]:
    """Rows and columns at the size that the network was trained at."""
    return [{"type": "space", "id": axis, "size": n} for axis, n in zip("yx", size, strict=True)]


def _file(name: str, files: dict[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def drawn_picture(size: tuple[int, int]) -> np.ndarray:
    """A dark blob with a soft rim on a light ground, uint8 (1, H, W, 3)."""
    rows, columns = (np.linspace(-1, 1, n) for n in size)
    near = np.exp(-4 * (rows[:, None] ** 2 + 1.5 * columns[None] ** 2) ** 2)
    wave = 6 * np.sin(9 * rows[:, None] + 7 * columns[None])
    tones = np.array([205.0, 165.0, 150.0]) - near[..., None] * np.array([120.0, 105.0, 95.0])
    return np.clip(tones + wave[..., None], 0, 255).astype(np.uint8)[None]


def cover(picture: np.ndarray, mask: np.ndarray) -> bytes:
    """PNG: the test picture, and beside it the picture with the network's mask on it."""
    halves = [
        Image.fromarray(one).resize((SIDE, SIDE)) for one in (picture, overlay(picture, mask))
    ]
    buffer = io.BytesIO()
    Image.fromarray(np.hstack([np.asarray(half) for half in halves])).save(buffer, "png")
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _licences(card: dict[str, Any]) -> str:
    weights = card.get("weights_licence") or "for their owner to add"
    data = card.get("licence") if card["trained"] else None
    return f"Licence of the weights: {weights}." + (
        f" Of the training data: {data}." if data else ""
    )


def _readme(subject: Subject) -> str:
    card = subject.card
    height, width = subject.size
    classes = ", ".join(card["classes"])
    return (
        f"# {card.get('run') or card['architecture']}\n\n{card['summary']} {card['notice']}\n\n"
        f"Bring a whole picture to {height} by {width} pixels ({card['resize']}), 8-bit RGB, rows "
        "and columns before channels; normalisation is part of the graph. Tiles of a larger "
        "picture are not what it was trained on. "
        f"Classes: {classes}. Threshold: {card['threshold']}.\n\n"
        f"{_licences(card)} Made by {card['producer']}.\n\n"
        "## Validation\n\nBefore it was packed, the graph's logits were held against those of the "
        "PyTorch network. The test tensors are of a drawn picture: they show that a program "
        "computes this network, not that the network suits pictures of yours.\n"
    )
