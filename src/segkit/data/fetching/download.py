"""Downloading with pooch: partial files go on where they stopped, and only whole, right files are
kept.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pooch
import requests

from segkit.api import Archive
from segkit.errors import SegkitError

TRIES = 4
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces
PAGES = (b"<!doctype", b"<html", b"<?xml")
PIECE = 1 << 15  # at most this much is read twice when a connection breaks


class DownloadProgress(Protocol):
    """What a caller passes to draw the bytes that have arrived."""

    def total(self, amount: float) -> None: ...
    def advance(self, amount: float = 1) -> None: ...
    def describe(self, text: str) -> None: ...


class Refused(SegkitError):
    """An address that does not give the file: another one may."""


@dataclass(frozen=True)
class Network:
    """How hosts are asked: how often, how long apart, which without a valid certificate."""

    insecure_hosts: Sequence[str] = ()
    tries: int = TRIES
    pause: float = 1.0  # seconds before the second try; doubled each time
    say: Callable[[str], None] | None = None
    progress: DownloadProgress | None = None


@dataclass(frozen=True)
class Arrived:
    """A downloaded archive and the address that gave it."""

    path: Path
    url: str


def download(archive: Archive, folder: Path, network: Network) -> Arrived:
    """The archive in `folder`, from its first address that works; the checksum has the last
    word.
    """
    reasons = []
    for url in archive.urls:
        try:
            return _from(url, archive, folder, network)
        except Refused as error:
            reasons.append(f"{urlsplit(url).netloc}: {error.why or error.what}")
            if network.say:
                network.say(f"{archive.name} from {reasons[-1]}")
    raise SegkitError(
        f"{archive.name} could not be downloaded",
        "; ".join(reasons) or "no address is known",
        "What has arrived is kept: run the same command again to go on."
        if (folder / f"{archive.name}.part").exists()
        else "Try again later, or get the file by other means and use --from PATH.",
    )


def _from(url: str, archive: Archive, folder: Path, network: Network) -> Arrived:
    if network.progress:
        network.progress.describe(archive.name)
    fetcher = _Resuming(folder / f"{archive.name}.part", archive, network)
    quiet = pooch.get_logger()
    level, _ = quiet.level, quiet.setLevel("WARNING")
    try:
        path = pooch.retrieve(
            url, archive.hash, fname=archive.name, path=folder, downloader=fetcher
        )
    except ValueError as error:
        raise Refused(
            f"{archive.name} has a wrong checksum", "wrong checksum, the file was thrown away"
        ) from error
    finally:
        quiet.setLevel(level)
    origin = folder / f"{archive.name}.origin"  # for a later run that finds the file
    if fetcher.done:
        origin.write_text(url, encoding="utf-8")
    known = origin.read_text(encoding="utf-8") if origin.is_file() else url
    return Arrived(Path(path), known)


class _Resuming:
    """A pooch downloader that keeps a partial file beside a note of where it came from."""

    def __init__(self, part: Path, archive: Archive, network: Network):
        self.part, self.note = part, part.with_name(part.name + ".json")
        self.archive, self.network = archive, network
        self.done = False  # it was downloaded now, and not there already
        self.shown = 0  # bytes that the progress display knows of

    def __call__(self, url: str, output_file: Any, _: Any) -> None:
        for attempt in range(self.network.tries):
            if attempt:
                time.sleep(self.network.pause * 2 ** (attempt - 1))
            try:
                self._get(url)
            except requests.exceptions.SSLError as error:
                raise self._untrusted(url) from error
            except (requests.RequestException, ConnectionError, TimeoutError) as error:
                reason = _short(error)
            else:
                os.replace(self.part, output_file)
                self.note.unlink(missing_ok=True)
                self.done = True
                return
        raise Refused(f"{url} does not answer", f"{reason} (tried {self.network.tries} times)")

    def _get(self, url: str) -> None:
        have, known = self._state(url)
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {}
        if have and known.get("etag"):
            headers["If-Range"] = known["etag"]
        headers.setdefault("Accept-Encoding", "identity")
        with requests.get(
            url, headers=headers, stream=True, timeout=TIMEOUT, verify=self._verify(url)
        ) as answer:
            if answer.status_code == 416:  # nothing is left, or the part is longer than the file
                self._forget()
                raise requests.ConnectionError("the partial file does not fit; starting again")
            self._check(answer)
            resumed = answer.status_code == 206 and _starts_at(answer, have, known)
            if have and answer.status_code == 206 and not resumed:
                self._forget()
                raise requests.ConnectionError("another file is there now; starting again")
            self._receive(url, answer, have if resumed else 0)

    def _receive(self, url: str, answer: requests.Response, have: int) -> None:
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        note = {"url": url, "etag": _strong(answer.headers.get("ETag")), "total": total}
        self.note.parent.mkdir(parents=True, exist_ok=True)
        self.note.write_text(json.dumps(note))
        if self.network.progress:
            self.network.progress.total(total or self.archive.size or 0)
        self._show(have)
        with open(self.part, "ab" if have else "wb") as sink:
            sink.truncate(have)
            for piece in answer.iter_content(PIECE):
                if sink.tell() == 0:
                    self._check_start(piece)
                sink.write(piece)
                self._show(sink.tell())
            size = sink.tell()
        if size == 0:
            raise Refused("an empty file", "the server sent an empty file")
        if total is not None and size < total:
            raise requests.ConnectionError(f"the connection ended at {size} of {total} bytes")
        self._check_size(size)

    def _check_size(self, size: int) -> None:
        """Without a checksum the declared size is all that vouches for a file."""
        expected = self.archive.size
        if expected and not self.archive.hash and size != expected:
            self._forget()
            raise Refused(
                "a wrong size", f"{size} bytes came, {expected} are declared: thrown away"
            )

    def _show(self, size: int) -> None:
        if self.network.progress and size > self.shown:
            self.network.progress.advance(size - self.shown)
            self.shown = size

    def _state(self, url: str) -> tuple[int, dict[str, Any]]:
        """Bytes that are here, and where they came from; a part of unknown origin is not
        trusted.
        """
        try:
            known = json.loads(self.note.read_text())
            have = self.part.stat().st_size
        except (OSError, ValueError):
            return 0, {}
        if not isinstance(known, dict):
            return 0, {}
        if not self.archive.hash and not known.get("etag"):
            return 0, {}  # nothing would tell whether both halves are of one file
        if known.get("url") != url:  # another address: the length must be known, and agree
            if known.get("total") is None:
                return 0, {}
            known = {"total": known["total"]}
        return have, known

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code in (401, 403, 407):
            raise Refused("refused", f"HTTP {answer.status_code}: the host wants a login")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise requests.ConnectionError(f"HTTP {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise Refused("refused", f"HTTP {answer.status_code}")
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise Refused("a web page", "a web page came instead of the file")

    def _check_start(self, piece: bytes) -> None:
        if looks_like_a_page(piece):
            raise Refused("a web page", "a web page came instead of the file")

    def _verify(self, url: str) -> bool:
        host = urlsplit(url).hostname or ""
        if host not in self.network.insecure_hosts:
            return True
        if not _vouched(self.archive):
            raise SegkitError(
                f"--insecure-host {host} is refused",
                f"no SHA-256 of {self.archive.name} is known, so nothing would vouch for the file",
                "Download it in a browser and use --from.",
            )
        return False

    def _untrusted(self, url: str) -> SegkitError:
        host = urlsplit(url).hostname
        cure = (
            f"Its SHA-256 is known and enforced: --insecure-host {host} is acceptable here."
            if _vouched(self.archive)
            else "Download it in a browser and use --from."
        )
        return Refused(
            f"{host} cannot be trusted", f"its TLS certificate fails verification. {cure}"
        )


def looks_like_a_page(start: bytes) -> bool:
    """Whether bytes are the beginning of HTML or XML: a login page instead of an archive."""
    return start.lstrip()[:9].lower().startswith(PAGES)


def vouched_by(archive: Archive, digest: str | None) -> str:
    """What says that a file is the publisher's: its checksum, its size alone, or nothing."""
    if archive.hash:
        return archive.hash.partition(":")[0] if digest == archive.hash else "nothing"
    return "size" if archive.size else "nothing"


def _vouched(archive: Archive) -> bool:
    """Whether a checksum that nobody can forge is known."""
    return (archive.hash or "").startswith("sha256:")


def _starts_at(answer: requests.Response, have: int, known: dict[str, Any]) -> bool:
    """Whether a 206 answer goes on at our byte, of a file of the length we know."""
    text = answer.headers.get("Content-Range", "")
    start, _, total = text.removeprefix("bytes ").partition("-")[0], "", text.rpartition("/")[2]
    if start != str(have):
        return False
    return known.get("total") is None or total == "*" or total == str(known["total"])


def _strong(etag: str | None) -> str | None:
    return etag if etag and not etag.startswith("W/") else None


def _short(error: Exception) -> str:
    """The innermost reason of a network error."""
    text = str(error)
    for known, said in (
        ("Name or service not known", "the host is not found"),
        ("Failed to resolve", "the host is not found"),
        ("Connection refused", "the connection is refused"),
        ("timed out", "no answer in time"),
        ("IncompleteRead", "the connection broke"),
    ):
        if known in text:
            return said
    return text[:120] or type(error).__name__
