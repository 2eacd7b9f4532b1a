"""A page that segments pictures in the browser: the ONNX model, ONNX Runtime Web, nothing else."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import onnx

from segkit.engine.exporting.export import ExportOptions
from segkit.engine.exporting.parity import Runner
from segkit.engine.exporting.subject import Subject
from segkit_export import web_runtime
from segkit_export.onnx_format import OnnxFormat, session_runner
from segkit_export.web_stages import stages

HERE = Path(__file__).parent / "web"
MODEL = "model.onnx"
SCRIPTS = (
    "zip", "formats", "resize", "band", "gpu", "stages", "network", "drawing", "camera", "page",
)  # fmt: skip
STAGES = "stages.json"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
    "style-src 'unsafe-inline'; img-src blob: data:; connect-src {sources}"
)


class WebFormat(OnnxFormat):
    """`segkit export … --to web`. The preprocessing is in the graph, resizing is in `resize.js`."""

    inside = True

    def file_name(self, stem: str, options: ExportOptions) -> str:
        return f"{stem}.html" if options.single_file else f"{stem}-web"

    def write(self, subject: Subject, path: Path, options: ExportOptions) -> dict[str, Any]:
        """A folder for any static server, or one HTML file that opens by itself."""
        model = path.with_name("model.onnx.tmp")
        facts = super().write(subject, model, options)
        files = {"ort.mjs": web_runtime.loader(), "ort.wasm.gz": web_runtime.wasm_gzip()}
        files[MODEL] = model.read_bytes()
        model.unlink()
        files |= _stages(files[MODEL])
        card = subject.card | {"stages": STAGES in files}
        if subject.certificate is not None:
            card = card | {"certificate": subject.certificate.drawing()}
        if options.single_file:
            path.write_text(page(card, files), encoding="utf-8")
        else:
            _write_folder(path, card, files)
        return facts | {"runtime": f"onnxruntime-web {web_runtime.VERSION}"}

    def load(self, path: Path, options: ExportOptions) -> Runner:
        """The very model of the page, in ONNX Runtime on the CPU."""
        if path.is_dir():
            return session_runner(path / MODEL)
        found = re.search(rf'id="asset-{MODEL}">([^<]*)<', path.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{path} holds no model")
        return session_runner(base64.b64decode(found[1]))


def _stages(file: bytes) -> dict[str, bytes]:
    """What a GPU needs besides, where the network scans."""
    found = stages(onnx.load_from_string(file), file, MODEL)
    document = {"wgsl": _text("scan.wgsl"), "stages": found}
    return {STAGES: json.dumps(document).encode()} if found else {}


def _write_folder(path: Path, card: dict[str, Any], files: dict[str, bytes]) -> None:
    path.mkdir()
    (path / "index.html").write_text(page(card, {}), encoding="utf-8")
    (path / "LICENSE-onnxruntime.txt").write_text(web_runtime.licence(), encoding="utf-8")
    for name, content in files.items():
        (path / name).write_bytes(content)


def page(card: dict[str, Any], assets: dict[str, bytes]) -> str:
    """The HTML; `assets` are written into it, otherwise the page fetches them beside itself."""
    scripts = [
        f'<script type="text/plain" id="asset-{name}">{base64.b64encode(content).decode()}</script>'
        for name, content in assets.items()
    ]
    if assets:
        scripts.append(f"<!--\n{web_runtime.licence()}-->")
    parts = {
        "CSP": POLICY.format(sources="'none'" if assets else "'self'"),
        "TITLE": html.escape(title(card)),
        "SUBTITLE": html.escape(card["summary"]),
        "FACTS": "".join(_fact(name, value) for name, value in facts_of(card)),
        "NOTICE": html.escape(card["notice"]),
        "RUNTIME": web_runtime.VERSION,
        "CARD": json.dumps(_without_addresses(card), ensure_ascii=False).replace("<", "\\u003c"),
        "CSS": _text("page.css"),
        "SCRIPT": "\n".join(_text(f"{name}.js") for name in SCRIPTS),
        "ASSETS": "\n".join(scripts),
    }
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda match: parts[match[1]], _text("page.html"))


def _without_addresses(card: dict[str, Any]) -> dict[str, Any]:
    """The page names no address: who reads its source sees that nothing is asked of anybody."""
    return {name: value for name, value in card.items() if name != "paper_url"}


def title(card: dict[str, Any]) -> str:
    """What the page is called: the classes and the network."""
    wanted = " and ".join(card["classes"][1:])
    return f"{wanted.capitalize()} segmentation with {card['architecture']}"


def facts_of(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What a user should know of the network before trusting it."""
    trained = str(card.get("dataset") or "") if card["trained"] else "not trained"
    facts = [
        ("network", card["architecture"]),
        ("paper", card["paper"]),
        ("trained on", trained),
        ("run", str(card.get("run") or "")),
        ("data licence", str(card.get("licence") or "")),
        ("looks at", f"{card['size'][0]} × {card['size'][1]} pixels"),
        ("precision", card["precision"]),
        ("exported by", card["producer"]),
    ]
    return [(name, value) for name, value in facts if value]


def _fact(name: str, value: str) -> str:
    return f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
