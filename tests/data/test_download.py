"""Downloads against a server that misbehaves: each fault has one clear outcome."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from segkit import plugins
from segkit.api import Archive, Dataset
from segkit.data import fetch, sources
from segkit.data.download import PIECE, Network, download
from segkit.data.prepare import prepare
from segkit.errors import SegkitError

pytestmark = pytest.mark.network
QUICK = Network(pause=0.01, tries=3)


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


def archive_of(data: bytes, *urls: str, known: bool = True) -> Archive:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if known else None
    return Archive("set.zip", "all", urls, digest, len(data))


DATA = os.urandom(400_000)


def start_of(wanted: str) -> int:
    return int(wanted.removeprefix("bytes=").rstrip("-"))


def test_a_cut_download_goes_on_where_it_stopped(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.cut["/a"] = [0.4]
    path = download(archive_of(DATA, host.address + "/a"), tmp_path, QUICK).path
    assert path.read_bytes() == DATA
    first, second = (wanted for _, wanted in host.asked)
    assert first == ""
    assert 0 <= len(DATA) * 0.4 - start_of(second) <= PIECE
    assert host.sent <= len(DATA) + PIECE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set.zip", "set.zip.origin"]


def test_a_killed_process_goes_on_too(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.cut["/a"] = [0.4]
    archive = archive_of(DATA, host.address + "/a")
    with pytest.raises(SegkitError, match="run the same command again"):
        download(archive, tmp_path, replace(QUICK, tries=1))
    assert 0 <= len(DATA) * 0.4 - (tmp_path / "set.zip.part").stat().st_size <= PIECE
    assert download(archive, tmp_path, QUICK).path.read_bytes() == DATA
    assert host.sent <= len(DATA) + PIECE


def test_a_server_that_dies_and_comes_back(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.cut["/a"] = [0.1, 0.6]
    host.status["/a"] = []
    path = download(archive_of(DATA, host.address + "/a"), tmp_path, QUICK).path
    assert path.read_bytes() == DATA
    assert len(host.asked) == 3
    host.status["/b"] = [503, 500]
    host.files["/b"] = DATA
    other = download(archive_of(DATA, host.address + "/b"), tmp_path / "b", QUICK).path
    assert other.read_bytes() == DATA


def test_another_file_at_the_same_address_starts_again(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.cut["/a"] = [0.5]
    with pytest.raises(SegkitError):
        download(archive_of(DATA, host.address + "/a"), tmp_path, replace(QUICK, tries=1))
    fresh = os.urandom(len(DATA))
    host.files["/a"] = fresh
    assert (
        download(archive_of(fresh, host.address + "/a"), tmp_path, QUICK).path.read_bytes() == fresh
    )


def test_a_server_without_ranges_starts_again(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.no_ranges.add("/a")
    host.cut["/a"] = [0.4]
    assert (
        download(archive_of(DATA, host.address + "/a"), tmp_path, QUICK).path.read_bytes() == DATA
    )


def test_the_second_address_is_used_and_continues_the_part(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = host.files["/b"] = DATA
    host.cut["/a"] = [0.3, 0.0, 0.0]
    said: list[str] = []
    archive = archive_of(DATA, host.address + "/a", host.address + "/b")
    arrived = download(archive, tmp_path, replace(QUICK, tries=1, say=said.append))
    assert arrived.path.read_bytes() == DATA
    assert arrived.url == host.address + "/b"
    assert download(archive, tmp_path, QUICK).url == arrived.url  # also of a file found later
    path_asked, wanted = host.asked[-1]
    assert path_asked == "/b"
    assert 0 <= len(DATA) * 0.3 - start_of(wanted) <= PIECE
    assert len(said) == 1


def test_a_wrong_checksum_keeps_nothing(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    archive = replace(archive_of(DATA, host.address + "/a"), hash="sha256:" + "0" * 64)
    with pytest.raises(SegkitError, match="wrong checksum"):
        download(archive, tmp_path, QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_right_copy_at_the_second_address_after_a_wrong_one(host: Host, tmp_path: Path) -> None:
    host.files["/a"], host.files["/b"] = os.urandom(1000), DATA
    archive = archive_of(DATA, host.address + "/a", host.address + "/b")
    assert download(archive, tmp_path, QUICK).path.read_bytes() == DATA


@pytest.mark.parametrize("declared", [True, False])
def test_a_web_page_instead_of_the_archive(host: Host, tmp_path: Path, declared: bool) -> None:
    if declared:
        host.pages.add("/a")
    else:
        host.files["/a"] = b"  <html>Sign in</html>"
    with pytest.raises(SegkitError, match="a web page came instead"):
        download(archive_of(DATA, host.address + "/a", known=False), tmp_path, QUICK)
    assert not (tmp_path / "set.zip").exists()
    assert len(host.asked) == 1  # asking again would not help


@pytest.mark.parametrize(
    ("code", "message"), [(404, "HTTP 404"), (403, "wants a login"), (202, "HTTP 202")]
)
def test_refusals_are_named_and_not_repeated(
    host: Host, tmp_path: Path, code: int, message: str
) -> None:
    host.files["/a"] = DATA
    host.status["/a"] = [code] * 5
    with pytest.raises(SegkitError, match=message):
        download(archive_of(DATA, host.address + "/a"), tmp_path, QUICK)
    assert len(host.asked) == 1


def test_an_empty_file_is_refused(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = b""
    with pytest.raises(SegkitError, match="empty file"):
        download(archive_of(b"", host.address + "/a", known=False), tmp_path, QUICK)


def test_nobody_there(tmp_path: Path) -> None:
    archive = archive_of(DATA, "http://127.0.0.1:9/a")
    with pytest.raises(SegkitError, match="connection is refused"):
        download(archive, tmp_path, QUICK)


@pytest.mark.parametrize("known", [None, "md5:" + "0" * 32])
def test_insecure_hosts_need_a_known_sha256(tmp_path: Path, known: str | None) -> None:
    archive = replace(archive_of(DATA, "https://127.0.0.1:9/a"), hash=known)
    with pytest.raises(SegkitError, match="no SHA-256"):
        download(archive, tmp_path, replace(QUICK, insecure_hosts=("127.0.0.1",)))


def test_progress_counts_every_byte_once(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA
    host.cut["/a"] = [0.4]
    seen: list[float] = []
    drawn = SimpleNamespace(
        total=lambda amount: None, advance=lambda n=1: seen.append(n), describe=lambda text: None
    )
    download(archive_of(DATA, host.address + "/a"), tmp_path, replace(QUICK, progress=drawn))
    assert sum(seen) == len(DATA)


# ---- whole fetches: nothing half-written is ever visible


@pytest.fixture
def remote_busi(
    host: Host, home: Path, tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes | None], Dataset]:
    """BUSI as a dataset of the loopback server."""
    data = make.pack(tmp_path / "b.zip", make.busi_members(3, 2)).read_bytes()
    known = plugins.get("datasets", "busi")

    def serve(body: bytes | None = None, digest: bool = True) -> Dataset:
        host.files["/b.zip"] = data if body is None else body
        archive = replace(
            known.archives[0],
            urls=(host.address + "/b.zip",),
            hash=f"sha256:{hashlib.sha256(host.files['/b.zip']).hexdigest()}" if digest else None,
        )
        dataset: Dataset = replace(known, archives=(archive,))
        monkeypatch.setattr(sources, "dataset", lambda name: dataset)
        return dataset

    return serve


def visible(home: Path) -> list[str]:
    """Everything of the raw folder that is not an archive waiting for its rest."""
    raw = home / "raw" / "busi"
    found = (p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.startswith("archives/"))


def test_a_whole_fetch(host: Host, home: Path, remote_busi: Callable[..., Dataset]) -> None:
    dataset = remote_busi()
    host.cut["/b.zip"] = [0.4]
    outcome = fetch.fetch_remote(dataset, [], QUICK)
    assert outcome.missing == []
    assert len(visible(home)) == 11
    assert not (home / "raw" / "busi" / "archives").exists()
    assert prepare("busi", (32, 32)).is_dir()
    assert fetch.fetch_remote(dataset, [], QUICK).already


@pytest.mark.parametrize(
    "fault", ["truncated", "slip", "page", "checksum", "bomb", "nothing inside"]
)
def test_faults_leave_no_dataset_behind(
    host: Host,
    home: Path,
    tmp_path: Path,
    make: SimpleNamespace,
    remote_busi: Callable[..., Dataset],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    members = make.busi_members(2, 1)
    if fault == "slip":
        members["../../evil (1).png"] = b"x"
    if fault == "nothing inside":
        members = {"readme.txt": b"x"}
    body = make.pack(tmp_path / "x.zip", members).read_bytes()
    if fault == "truncated":
        body = body[: len(body) // 2]
    if fault == "page":
        body = b"<html>Sign in</html>"
    dataset = remote_busi(body, digest=False)
    if fault == "checksum":
        archive = replace(dataset.archives[0], hash="sha256:" + "1" * 64)
        dataset = replace(dataset, archives=(archive,))
    if fault == "bomb":
        monkeypatch.setattr("segkit.data.archives.MAX_RATIO", 0)
        monkeypatch.setattr("segkit.data.archives.unpack.__defaults__", ("", None, 100))
    with pytest.raises(SegkitError):
        fetch.fetch_remote(dataset, [], QUICK)
    assert sources.fetched() == []
    assert visible(home) == []
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_download_of_unknown_hash_is_not_in_the_way(
    host: Host, home: Path, remote_busi: Callable[..., Dataset]
) -> None:
    remote_busi()
    good = host.files["/b.zip"]
    dataset = remote_busi(good[: len(good) // 2], digest=False)
    with pytest.raises(SegkitError, match="thrown away: run the same command again"):
        fetch.fetch_remote(dataset, [], QUICK)
    dataset = remote_busi(good, digest=False)
    assert fetch.fetch_remote(dataset, [], QUICK).taken[0]["files"] == 10


def test_the_address_that_gave_the_file_is_recorded(
    host: Host, home: Path, remote_busi: Callable[..., Dataset]
) -> None:
    dataset = remote_busi()
    right = dataset.archives[0].urls[0]
    archive = replace(dataset.archives[0], urls=(host.address + "/gone", right))
    outcome = fetch.fetch_remote(replace(dataset, archives=(archive,)), [], QUICK)
    assert outcome.taken[0]["origin"] == right


def test_the_cure_says_whether_anything_is_kept(host: Host, tmp_path: Path) -> None:
    archive = archive_of(DATA, host.address + "/none")
    with pytest.raises(SegkitError, match="use --from PATH"):
        download(archive, tmp_path, QUICK)


def test_a_fault_leaves_the_older_copy_as_it_was(
    host: Host,
    home: Path,
    tmp_path: Path,
    make: SimpleNamespace,
    remote_busi: Callable[..., Dataset],
) -> None:
    dataset = remote_busi()
    fetch.fetch_remote(dataset, [], QUICK)
    before = visible(home)
    bad = make.pack(
        tmp_path / "Dataset_BUSI.zip", {**make.busi_members(1, 1), "../x (1).png": b"x"}
    )
    with pytest.raises(SegkitError, match="refused"):
        fetch.fetch_local(dataset, [bad], [], QUICK)
    assert visible(home) == before


def test_login_only_sets_show_one_screen(home: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        fetch.fetch_remote(plugins.get("datasets", "bkai"), [], QUICK)
    text = caught.value.as_text()
    assert "segkit data fetch bkai --from PATH" in text
    assert "https://www.kaggle.com/c/bkai-igh-neopolyp" in text
    assert "Accept the rules" in text
    assert "Expected file: bkai-igh-neopolyp.zip" in text


def test_a_full_disk_is_said_before_the_first_byte(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    with pytest.raises(SegkitError, match=r"24\.6 GB are needed"):
        fetch.check_disk(fetch.wanted_archives(plugins.get("datasets", "isic2018"), ["train"]))
