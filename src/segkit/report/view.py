"""`segkit view`: a read-only page on 127.0.0.1 to browse the cases of a run.

Every address begins with a random token. Pictures are asked for by their place in the list, never
by a path, so that no request can name a file. Requests for another host name are refused.
"""

from __future__ import annotations

import base64
import hmac
import io
import json
import secrets
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

from segkit.engine.runs import open_run
from segkit.errors import SegkitError
from segkit.report.viewing import Cases

HOST = "127.0.0.1"
ALLOWED = ("img-src 'self' data:", "style-src 'self'", "script-src 'self'", "connect-src 'self'")
POLICY = "; ".join(("default-src 'none'", *ALLOWED))
HEAD = 16384  # bytes of a request
WAIT = 10.0  # seconds for its head to come, and for every piece of an answer to go
CONNECTIONS = 32
ASSETS = {"": ("view.html", "text/html"), "view.css": ("view.css", "text/css")} | {
    "view.js": ("view.js", "text/javascript")
}


class ViewServer(ThreadingHTTPServer):
    """The server: `address` is what the browser opens."""

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, run: Path | str, port: int = 0, device: str = "auto"):
        self.cases = Cases(open_run(run), device)
        self.token = secrets.token_urlsafe(24)
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise SegkitError(
                f"port {port} cannot be used", error.strerror, "Leave --port out for a free one."
            ) from error

    @property
    def address(self) -> str:
        """http://127.0.0.1:PORT/TOKEN/"""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, up to a bound; one more is closed at once."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, then free its place for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that break: browsers close them all the time."""

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body for a path below the token; None if there is no such thing."""
        if path in ASSETS:
            file, kind = ASSETS[path]
            return f"{kind}; charset=utf-8", _asset(file)
        if path == "cases.json":
            return "application/json", _json(self.cases.listing)
        kind, _, name = path.partition("/")
        place = self._place(name)
        if place is None:
            return None
        if kind == "maps":
            found = self.cases.maps(place)
            return "application/json", _json({title: _uri(png) for title, png in found.items()})
        makers: dict[str, Callable[[int], bytes]] = {
            "picture": self.cases.picture,
            "truth": self.cases.truth,
            "probability": self.cases.probability,
            "band": self.cases.band,
        }
        return ("image/png", makers[kind](place)) if kind in makers else None

    def _place(self, name: str) -> int | None:
        if not (name.isascii() and name.isdigit() and len(name) < 9):
            return None
        return int(name) if int(name) < len(self.cases) else None


class _Handler(BaseHTTPRequestHandler):
    """Answers GET requests and refuses all others."""

    server: ViewServer
    server_version, sys_version = "segkit", ""

    def handle(self) -> None:
        """Read the whole head of a request first, bounded in size and in time."""
        head, end = b"", time.monotonic() + WAIT
        while b"\r\n\r\n" not in head and len(head) <= HEAD:
            self.connection.settimeout(max(0.01, end - time.monotonic()))
            piece = self.connection.recv(4096)
            if not piece or time.monotonic() > end:
                return
            head += piece
        self.connection.settimeout(WAIT)
        self.rfile = io.BufferedReader(io.BytesIO(head))  # type: ignore[arg-type]
        self.too_large = len(head) > HEAD
        super().handle()

    def do_GET(self) -> None:
        if self.too_large:
            self._send(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "text/plain", b"too large")
            return
        path = self.path.partition("?")[0]
        token, _, rest = path.removeprefix("/").partition("/")
        if not self._is_local() or not hmac.compare_digest(
            token.encode(), self.server.token.encode()
        ):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"forbidden")
            return
        try:
            found = self.server.answer(rest)
        except SegkitError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", error.as_text().encode())
            return
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found")
        else:
            self._send(HTTPStatus.OK, *found)

    def _is_local(self) -> bool:
        """The name that the browser asked for: another one may be a foreign page's trick."""
        port = self.server.server_port
        return self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the address holds the token."""


def _asset(name: str) -> bytes:
    return resources.files("segkit.report").joinpath("templates", name).read_bytes()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
