"""Downloads against a server that misbehaves: each fault has one clear outcome."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import Host

from segkit.api import Archive
from segkit.data.fetching.download import (
    PIECE,
    Network,
    download,
    looks_like_a_page,
    vouched_by,
)
from segkit.errors import SegkitError

pytestmark = pytest.mark.network
QUICK = Network(pause=0.01, tries=3)


def archive_of(data: bytes, *urls: str, known: bool = True) -> Archive:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if known else None
    return Archive("set.zip", "all", urls, digest, len(data))


DATA = random.Random(0).randbytes(400_000)


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
    fresh = b"<" + random.Random(1).randbytes(len(DATA) - 1)  # no page, whatever it begins with
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
    host.files["/a"], host.files["/b"] = random.Random(2).randbytes(1000), DATA
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


def test_the_cure_says_whether_anything_is_kept(host: Host, tmp_path: Path) -> None:
    archive = archive_of(DATA, host.address + "/none")
    with pytest.raises(SegkitError, match="use --from PATH"):
        download(archive, tmp_path, QUICK)


def test_a_declared_size_is_enforced_where_no_checksum_is(host: Host, tmp_path: Path) -> None:
    host.files["/a"] = DATA[:-512]
    archive = replace(archive_of(DATA, host.address + "/a", known=False), size=len(DATA))
    with pytest.raises(SegkitError, match="399488 bytes came, 400000 are declared"):
        download(archive, tmp_path, QUICK)
    assert list(tmp_path.iterdir()) == []
    host.files["/a"] = DATA
    assert download(archive, tmp_path, QUICK).path.read_bytes() == DATA


def test_nothing_is_joined_that_nothing_vouches_for(host: Host, tmp_path: Path) -> None:
    """Without a checksum and without an ETag, halves of two files would look like one."""
    host.files["/a"], host.cut["/a"], host.no_etag = DATA, [0.5], True
    archive = archive_of(DATA, host.address + "/a", known=False)
    other = random.Random(3).randbytes(len(DATA))
    with pytest.raises(SegkitError):
        download(archive, tmp_path, replace(QUICK, tries=1))
    host.files["/a"] = other
    assert download(archive, tmp_path, QUICK).path.read_bytes() == other


@pytest.mark.parametrize(
    ("start", "page"),
    [
        (b"<!DOCTYPE html>", True),
        (b"\n <html lang='en'>", True),
        (b"<?xml version='1.0'?>", True),
        (b"<\x00\x01\x02 any other file", False),
        (b"PK\x03\x04", False),
    ],
)
def test_pages_are_known_by_what_they_are(start: bytes, page: bool) -> None:
    assert looks_like_a_page(start) == page


@pytest.mark.parametrize(
    ("digest", "size", "found", "vouched"),
    [
        ("sha256:1", 5, "sha256:1", "sha256"),
        ("md5:1", None, "md5:1", "md5"),
        ("sha256:1", 5, "sha256:2", "nothing"),  # a copy of one's own that differs
        (None, 5, "sha256:1", "size"),
        (None, None, "sha256:1", "nothing"),
    ],
)
def test_what_vouches_for_a_file_is_said(digest, size, found, vouched) -> None:
    assert vouched_by(Archive("a.zip", "all", ("x",), digest, size), found) == vouched
