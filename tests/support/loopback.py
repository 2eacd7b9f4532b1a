"""A server on the loopback device that misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Host:
    """A loopback server: files by path, faults by path, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[float]] = field(
        default_factory=dict
    )  # break after these shares, one per request
    status: dict[str, list[int]] = field(default_factory=dict)  # answer so first, one per request
    pages: set[str] = field(default_factory=set)  # paths that answer with a web page
    no_ranges: set[str] = field(default_factory=set)
    no_etag: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)  # (path, Range header)
    sent: int = 0
    address: str = ""


@pytest.fixture
def host() -> Iterator[Host]:
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path
            wanted = self.headers.get("Range", "")
            state.asked.append((path, wanted))
            if state.status.get(path):
                self.send_error(state.status[path].pop(0))
                return
            if path in state.pages or path not in state.files:
                self._page(200 if path in state.pages else 404)
                return
            self._file(state.files[path], wanted, path)

        def _page(self, code: int) -> None:
            body = b"<!doctype html><html>Please sign in</html>"
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _file(self, data: bytes, wanted: str, path: str) -> None:
            etag = f'"{hashlib.md5(data).hexdigest()}"'
            start = 0
            if wanted and path not in state.no_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if self.headers.get("If-Range", etag) != etag:
                    start = 0
            if start >= len(data) and start:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", "application/octet-stream")
            if not state.no_etag:
                self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            end = len(data)
            if state.cut.get(path):
                end = int(len(data) * state.cut[path].pop(0))
            self.wfile.write(data[start:end])
            state.sent += max(0, end - start)
            if end < len(data):
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
