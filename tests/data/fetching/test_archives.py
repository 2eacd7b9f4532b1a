"""What strangers packed: nothing escapes, nothing blows up, damage is an error."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segkit import paths
from segkit.data.fetching import archives
from segkit.errors import SegkitError


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_only_the_needed_members_and_no_leftovers(tmp_path: Path, make: SimpleNamespace) -> None:
    archive = make.pack(
        tmp_path / "a.zip",
        {
            "Top/ISIC_0000001.jpg": b"x",
            "Top/ISIC_0000001_superpixels.png": b"x",
            "__MACOSX/Top/._ISIC_0000001.jpg": b"x",
            "Top/Thumbs.db": b"x",
            "Top/.DS_Store": b"x",
            "Deep/er/ISIC_0000002.JPG": b"x",
        },
    )
    count = archives.unpack(archive, tmp_path / "out", r"ISIC_\d{7}\.jpe?g$")
    assert count == 2
    assert files(tmp_path / "out") == ["Deep/er/ISIC_0000002.JPG", "Top/ISIC_0000001.jpg"]


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_members_cannot_leave_their_folder(
    tmp_path: Path, make: SimpleNamespace, name: str
) -> None:
    archive = make.pack(tmp_path / "a.zip", {"fine.png": b"x", name: b"x"})
    with pytest.raises(SegkitError, match="refused"):
        archives.unpack(archive, tmp_path / "deep" / "out")
    assert files(tmp_path) == ["a.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(SegkitError, match="is a link"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros.png", b"\0" * 30_000_000)
    assert (tmp_path / "a.zip").stat().st_size < 100_000
    with pytest.raises(SegkitError, match="times its size"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out", floor=1_000_000)
    assert files(tmp_path / "out") == []
    assert archives.unpack(tmp_path / "a.zip", tmp_path / "out") == 1  # small enough by default


def test_truncated_and_encrypted_archives(tmp_path: Path, make: SimpleNamespace) -> None:
    archive = make.pack(tmp_path / "a.zip", {f"{k}.png": os.urandom(500) for k in range(9)})
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(SegkitError, match="a zip archive without its end"):
        archives.unpack(archive, tmp_path / "out")
    broken = bytearray(data)
    broken[200] ^= 0xFF
    archive.write_bytes(broken)
    with pytest.raises(SegkitError, match="damaged or incomplete"):
        archives.unpack(archive, tmp_path / "out2")


def test_an_archive_is_what_its_first_bytes_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "zip-called.rar", "w") as archive:
        archive.writestr("x/y.png", b"1")
    assert archives.unpack(tmp_path / "zip-called.rar", tmp_path / "zipped") == 1
    (tmp_path / "b.rar").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(9))
    with monkeypatch.context() as patch:
        patch.setattr(archives, "find_tool", lambda: None)
        with pytest.raises(SegkitError, match=r"b\.rar is a 7z archive"):
            archives.unpack(tmp_path / "b.rar", tmp_path / "out")


def test_a_web_page_is_not_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_text("<!doctype html><title>Sign in</title>")
    with pytest.raises(SegkitError, match="web page"):
        archives.unpack(tmp_path / "a.rar", tmp_path / "out")


def test_tar_archives(tmp_path: Path) -> None:
    def tar(name: str, kind: bytes) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w:gz") as opened:
            info = tarfile.TarInfo("x/a.png")
            info.size = 3
            opened.addfile(info, io.BytesIO(b"abc"))
            if kind != tarfile.REGTYPE:
                link = tarfile.TarInfo("x/b.png")
                link.type, link.linkname = kind, "/etc/passwd"
                opened.addfile(link)
        return path

    assert archives.unpack(tar("a.tar.gz", tarfile.REGTYPE), tmp_path / "out") == 1
    with pytest.raises(SegkitError, match="no plain file"):
        archives.unpack(tar("b.tar.gz", tarfile.SYMTYPE), tmp_path / "out2")


RAR = b"Rar!\x1a\x07\x00rest"


def fake_tool(folder: Path, script: str) -> None:
    tool = folder / "bsdtar"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_rar_without_a_tool_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(RAR)
    with pytest.raises(SegkitError, match="apt install libarchive-tools"):
        archives.unpack(tmp_path / "a.rar", tmp_path / "out")
    assert (tmp_path / "a.rar").is_file()


def test_rar_through_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (tmp_path / "a.rar").write_bytes(RAR)
    fake_tool(
        tmp_path, 'mkdir -p "$4/P H"; echo x > "$4/P H/IMD002.bmp"; echo x > "$4/P H/Thumbs.db"'
    )
    count = archives.unpack(tmp_path / "a.rar", tmp_path / "out", r"\.bmp$")
    assert count == 1
    assert files(tmp_path / "out") == ["P H/IMD002.bmp"]
    fake_tool(tmp_path, 'ln -s /etc/passwd "$4/link.bmp"')
    with pytest.raises(SegkitError, match="is a link"):
        archives.unpack(tmp_path / "a.rar", tmp_path / "out2")
    fake_tool(tmp_path, "echo 'CRC failed' >&2; exit 1")
    with pytest.raises(SegkitError, match="CRC failed"):
        archives.unpack(tmp_path / "a.rar", tmp_path / "out3")
    assert (tmp_path / "a.rar").is_file()


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_fuzzed_archives_unpack_or_fail_cleanly(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        for k in range(3):
            opened.writestr(f"top/benign ({k}).png", bytes(range(200)) * (k + 1))
    raw = bytearray((folder / "a.zip").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.zip").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(SegkitError):
        archives.unpack(folder / "a.zip", folder / "inner" / "out", floor=1_000_000)
    outside = [name for name in files(folder) if not name.startswith("inner/out/")]
    assert outside == ["a.zip"]


def test_a_member_that_is_file_and_folder(tmp_path: Path, make: SimpleNamespace) -> None:
    archive = make.pack(tmp_path / "a.zip", {"x": b"1", "x/y.png": b"2"})
    with pytest.raises(archives.Damaged, match="a member cannot be written"):
        archives.unpack(archive, tmp_path / "out")
    long = make.pack(tmp_path / "b.zip", {"n" * 300 + ".png": b"1"})
    with pytest.raises(archives.Damaged, match="too long"):
        archives.unpack(long, tmp_path / "out2")


def test_room_is_needed_where_it_is_unpacked_and_for_what_is_taken(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make.pack(tmp_path / "a.zip", {"a.png": bytes(100), "film.avi": bytes(5000)})
    asked = []

    def usage(folder: Path) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(free=1000)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert archives.unpack(archive, tmp_path / "out", r"\.png$") == 1
    assert asked == [tmp_path / "out"]
    with pytest.raises(SegkitError, match="are free"):
        archives.unpack(archive, tmp_path / "out2")


def test_a_full_disk_is_not_a_damaged_archive(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = make.pack(tmp_path / "a.zip", {"a.png": b"1"})
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(SegkitError, match="No space left") as caught:
        archives.unpack(archive, tmp_path / "out")
    assert not isinstance(caught.value, archives.Damaged)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_tar_that_is_cut_between_two_members_is_damaged(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as opened:
        for k in range(3):
            info = tarfile.TarInfo(f"{k}.png")
            info.size = 512
            opened.addfile(info, io.BytesIO(bytes([k + 1]) * 512))
    pack = gzip.compress if suffix == "tar.gz" else bytes
    whole.write_bytes(pack(plain.getvalue()))
    cut.write_bytes(pack(plain.getvalue()[: 2 * 1024]))  # two members, and no end
    assert archives.unpack(whole, tmp_path / "whole") == 3
    with pytest.raises(SegkitError, match="a part is missing"):
        archives.unpack(cut, tmp_path / "cut")


def test_a_zip_that_names_several_disks_is_no_zip(tmp_path: Path) -> None:
    """Python's own check raises on it; a damaged checkpoint is such a file now and then."""
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 1, 0, 2)
    (tmp_path / "a.zip").write_bytes(locator + b"PK\x05\x06" + bytes(18))
    assert not paths.is_zip(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["", "/", "."])
def test_a_member_without_a_name_is_one_line(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for told in (name, "a.png"):
            info = zipfile.ZipInfo("x")
            info.filename = told
            made.writestr(info, b"data")
    with contextlib.suppress(SegkitError):
        archives.names(tmp_path / "a.zip")
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"a.zip", "a.png"}
