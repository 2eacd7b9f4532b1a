"""A hub on loopback: as much of the Hugging Face hub's API as pushing and fetching a network needs.

Repositories are kept in memory: commits by their hash, branches by name. Uploads come as one
commit of newline-separated JSON, downloads by /resolve/; what was asked is kept in `asked`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """Files of each commit, and where the branches are."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """A new commit on top of a branch."""
        whole = {**self.commits.get(self.branches.get(branch, ""), {}), **files}
        digest = hashlib.sha1(repr((sorted(whole.items()), len(self.commits))).encode())
        self.commits[digest.hexdigest()] = whole
        self.branches[branch] = digest.hexdigest()
        return digest.hexdigest()

    def find(self, revision: str) -> str | None:
        """The commit of a branch or of a hash."""
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None


@dataclass
class Hub:
    """The repositories and what was asked of them."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"POST {path}")
        if not (self.headers.get("Authorization") or "").startswith("Bearer "):
            return self.fail(401, "Unauthorized", "Invalid username or password.")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.hub.repositories.setdefault(name, Repository()).branches.setdefault("main", "")
            return self.answer({"url": f"{self.hub.address}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/(.+)", path)
        if found is None or found[1] not in self.hub.repositories:
            return self.missing()
        if found[2] == "preupload":
            rows = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": rows})
        lines = [json.loads(line) for line in body.splitlines() if line]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        commit = self.hub.repositories[found[1]].commit(found[3], files)
        url = f"{self.hub.address}/{found[1]}/commit/{commit}"
        return self.answer({"success": True, "commitOid": commit, "commitUrl": url})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = info or file
        repository = self.hub.repositories.get(found[1]) if found else None
        if repository is None:
            return self.missing()
        if repository.gated:
            return self.fail(403, "GatedRepo", "Access to this model is restricted.")
        commit = repository.find((info[3] if info else file[2]) or "main")
        if commit is None:
            return self.fail(404, "RevisionNotFound", "Invalid rev id")
        files = repository.commits[commit]
        if file is not None:
            return self.file(files, file[3], commit)
        if info[2] == "tree":
            return self.answer(
                [
                    {"type": "file", "path": n, "size": len(b), "oid": _oid(b)}
                    for n, b in files.items()
                ]
            )
        rows = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
        return self.answer({"id": info[1], "sha": commit, "siblings": rows, "tags": []})

    do_HEAD = do_GET

    def file(self, files: dict[str, bytes], name: str, commit: str) -> None:
        """The bytes of a file, or only its headers."""
        if name not in files:
            return self.fail(404, "EntryNotFound", "Entry not found")
        data = files[name]
        self.send_response(200)
        self.send_header("ETag", f'"{_oid(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
        return None

    def answer(self, value: object) -> None:
        """JSON."""
        self.send(200, json.dumps(value).encode())

    def missing(self) -> None:
        """As the hub says that there is no such repository."""
        self.fail(404, "RepoNotFound", "Repository not found")

    def fail(self, status: int, code: str, text: str) -> None:
        """An error by the hub's own header."""
        self.send(status, json.dumps({"error": text}).encode(), {"X-Error-Code": code})

    def send(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        """A whole response."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@contextmanager
def standing() -> Iterator[Hub]:
    """A hub while the block runs."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
