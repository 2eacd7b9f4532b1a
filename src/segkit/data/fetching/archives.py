"""Unpacking what strangers packed: nothing escapes its folder, nothing blows up, leftovers are
skipped.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from segkit import paths
from segkit.data.pairing import is_junk
from segkit.errors import SegkitError

MAX_RATIO = 100  # unpacked bytes per packed byte
FLOOR = 1 << 30  # archives may always unpack to a gigabyte
TOOLS = {
    "bsdtar": ["bsdtar", "-xf", "{archive}", "-C", "{folder}"],
    "unrar": ["unrar", "x", "-y", "-idq", "{archive}", "{folder}/"],
    "unar": ["unar", "-quiet", "-no-directory", "-output-directory", "{folder}", "{archive}"],
    "7z": ["7z", "x", "-y", "-bd", "-o{folder}", "{archive}"],
    "7zz": ["7zz", "x", "-y", "-bd", "-o{folder}", "{archive}"],
}
SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
Advance = Callable[[float], None]


class Damaged(SegkitError):
    """An archive that is broken or incomplete: another copy is needed."""

    def __init__(self, archive: Path, reason: str):
        self.archive = archive
        super().__init__(
            f"{archive.name} cannot be unpacked",
            reason,
            "The file is damaged or incomplete: delete it and fetch again.",
        )


def is_archive(path: Path) -> bool:
    """Whether a file name ends like that of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """The file name without its archive suffix."""
    lowered = name.lower()
    longest = max((s for s in SUFFIXES if lowered.endswith(s)), key=len, default="")
    return name[: len(name) - len(longest)] if longest else name


def unpack(
    archive: Path,
    folder: Path,
    members: str = "",
    advance: Advance | None = None,
    floor: int = FLOOR,
) -> int:
    """Unpack the members whose path matches; returns how many files were written."""
    folder.mkdir(parents=True, exist_ok=True)
    limit = max(floor, MAX_RATIO * archive.stat().st_size)
    try:
        if paths.is_zip(archive):
            return _unzip(archive, folder, members, limit, advance)
        if archive.name.lower().endswith(SUFFIXES[3:]):
            return _untar(archive, folder, members, limit)
        return _unpack_with_tool(archive, folder, members, limit)
    except BROKEN as error:
        raise Damaged(archive, str(error) or type(error).__name__) from error
    except OSError as error:  # a member that is file and folder, a name too long, a full disk
        reason = error.strerror or str(error)
        if error.errno in paths.NO_SPACE:
            cure = "Free some space, or set SEGKIT_HOME to another disk."
            raise SegkitError(f"{archive.name} cannot be unpacked", reason, cure) from error
        raise Damaged(archive, f"a member cannot be written: {reason}") from error


def names(archive: Path) -> list[str]:
    """The members of a zip or tar archive; empty for kinds that only other programs can list."""
    try:
        if paths.is_zip(archive):
            with zipfile.ZipFile(archive) as opened:
                return opened.namelist()
        if archive.name.lower().endswith(SUFFIXES[3:]):
            with tarfile.open(archive) as opened_tar:
                return opened_tar.getnames()
    except (*BROKEN, OSError) as error:
        raise SegkitError(f"{archive} cannot be read", str(error)) from error
    return []


def check_name(name: str) -> str:
    """A member's path, or an error if it would leave its folder."""
    if not name.strip():
        raise SegkitError("the archive is refused: a member has no name")
    posix, windows = PurePosixPath(name.replace("\\", "/")), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or ".." in posix.parts or "\0" in name:
        raise SegkitError(
            f"the archive is refused: member {name!r} leaves its folder",
            "absolute paths and '..' are not accepted",
        )
    return posix.as_posix()


def _unzip(archive: Path, folder: Path, members: str, limit: int, advance: Advance | None) -> int:
    wanted = re.compile(members or "", re.IGNORECASE)
    with zipfile.ZipFile(archive) as opened:
        infos = [
            (info, name)
            for info, name in list(_safe(opened))
            if not info.is_dir() and not is_junk(name) and wanted.search(name)
        ]
        total = sum(info.file_size for info, _ in infos)
        _check_ratio(archive, total, limit)
        _check_space(archive, folder, total)
        written = 0
        for info, name in infos:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            written += 1
            if advance:
                advance(info.compress_size)
    return written


def _safe(opened: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    for info in opened.infolist():
        name = check_name(info.filename)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise SegkitError(f"the archive is refused: member {name!r} is a link")
        if info.flag_bits & 1:
            raise SegkitError(
                f"{opened.filename} is encrypted", "there is no way to give a password"
            )
        yield info, name


def _check_ratio(archive: Path, total: int, limit: int) -> None:
    if total > limit:
        raise SegkitError(
            f"the archive is refused: {archive.name} would unpack to {total / 1e9:.1f} GB",
            f"from {archive.stat().st_size / 1e6:.1f} MB: more than {MAX_RATIO} times its size",
        )


def _check_space(archive: Path, folder: Path, total: int) -> None:
    free = shutil.disk_usage(folder).free
    if total > free:
        raise SegkitError(
            f"{archive.name} needs {total / 1e9:.1f} GB unpacked",
            f"{free / 1e9:.1f} GB are free",
            "Free some space, or set SEGKIT_HOME to another disk.",
        )


def _untar(archive: Path, folder: Path, members: str, limit: int) -> int:
    wanted = re.compile(members or "", re.IGNORECASE)
    with tarfile.open(archive) as opened:
        infos = [info for info in opened.getmembers() if not info.isdir()]
        _check_end(archive, opened)
        for info in infos:
            check_name(info.name)
            if not info.isfile():
                raise SegkitError(f"the archive is refused: member {info.name!r} is no plain file")
        kept = [i for i in infos if wanted.search(i.name) and not is_junk(i.name)]
        total = sum(info.size for info in kept)
        _check_ratio(archive, total, limit)
        _check_space(archive, folder, total)
        opened.extractall(folder, members=kept, filter="data")
    return len(kept)


def _check_end(archive: Path, opened: tarfile.TarFile) -> None:
    """A tar ends with two blocks of zeros: one that is cut between two members has none."""
    assert opened.fileobj is not None
    opened.fileobj.seek(opened.offset)
    if opened.fileobj.read(2 * tarfile.BLOCKSIZE) != bytes(2 * tarfile.BLOCKSIZE):
        raise Damaged(archive, "it ends without the blocks that close a tar: a part is missing")


def find_tool() -> str | None:
    """The first program here that unpacks RAR."""
    return next((name for name in TOOLS if shutil.which(name)), None)


def _unpack_with_tool(archive: Path, folder: Path, members: str, limit: int) -> int:
    """RAR and 7z, by a program of the system; what it wrote is checked before it is used."""
    with open(archive, "rb") as handle:
        head = handle.read(8)
    if head.startswith(b"PK"):
        raise Damaged(archive, "a zip archive without its end")
    if not head.startswith((b"Rar!", b"7z\xbc\xaf")):
        page = ": a web page instead of the file?" if head.lstrip().startswith(b"<") else ""
        raise Damaged(archive, f"it is no archive, it starts with {head!r}{page}")
    tool = find_tool()
    if tool is None:
        raise SegkitError(
            f"{archive.name} is a {'RAR' if head.startswith(b'Rar!') else '7z'} archive",
            "none of bsdtar, unrar, unar, 7z is installed; the archive is kept",
            "Install one (apt install libarchive-tools, brew install libarchive), or unpack by "
            "hand and use --from.",
        )
    words = [word.format(archive=archive, folder=folder) for word in TOOLS[tool]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SegkitError(f"{tool} cannot unpack {archive.name}", reason, "The archive is kept.")
    return _keep_wanted(archive, folder, members, limit)


def _keep_wanted(archive: Path, folder: Path, members: str, limit: int) -> int:
    wanted, kept, total = re.compile(members or "", re.IGNORECASE), 0, 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise SegkitError(f"the archive is refused: member {path.name!r} is a link")
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        total += path.stat().st_size
        _check_ratio(archive, total, limit)
        if is_junk(name) or not wanted.search(name):
            path.unlink()
        else:
            kept += 1
    return kept
