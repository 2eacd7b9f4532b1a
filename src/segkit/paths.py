"""Where things live, and how files are written: to a temporary name, then renamed. Stdlib only."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segkit import words
from segkit.errors import SegkitError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # what writing to a full disk says


def home() -> Path:
    """`$SEGKIT_HOME` (default `~/.cache/segkit`): raw archives and prepared sets."""
    return Path(os.environ.get("SEGKIT_HOME") or Path.home() / ".cache" / "segkit").expanduser()


def raw(name: str) -> Path:
    """The folder of a dataset as fetched."""
    return home() / "raw" / name


def prepared(name: str) -> Path:
    """The folder above all prepared forms of a dataset: `<size>-<resize>-<variant>` below it."""
    return home() / "prepared" / name


def runs() -> Path:
    """Where runs go unless `--out` says otherwise."""
    return Path("runs")


@contextmanager
def replacing(path: Path | str, durable: bool = False) -> Iterator[Path]:
    """A temporary name beside `path`; on success it takes the place of `path`, else it is gone.

    `durable`: its content is on the disk (or the server) before the name is, also when a machine
    loses power in between.
    """
    target = Path(path)
    with _writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target.parent)
        prefix = f".{target.name[:100]}.{_mark()}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            if durable:
                _flush(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def working_folder(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder in `parent`, gone afterwards; what killed processes left there goes first."""
    parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(parent)
    prefix = f".{name}.{_mark()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=".tmp", dir=parent) as folder:
        yield Path(folder)


def _flush(path: Path) -> None:
    with open(path, "rb+") as handle:
        os.fsync(handle.fileno())


_cleared: set[Path] = set()


def _mark() -> str:
    """Which process of which machine a temporary file belongs to."""
    return f"{re.sub('[^a-z0-9]', '', socket.gethostname().lower())[:20]}.{os.getpid()}"


def _clear_leftovers(folder: Path) -> None:
    """What killed processes of this machine left in a folder, when this one first writes there."""
    if folder in _cleared or os.name != "posix":
        return
    _cleared.add(folder)
    host = _mark().partition(".")[0]
    for path in folder.glob(".*.tmp"):
        match = re.search(rf"\.{host}\.(\d+)-[^.]*\.tmp$", path.name)
        if match and not process_lives(int(match[1])):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def process_lives(pid: int) -> bool:
    """Whether a process of this number is there, as far as this machine can tell."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    """A full disk or a forbidden folder becomes one line with a cure."""
    try:
        yield
    except PermissionError as error:
        raise SegkitError(
            f"cannot write {target}", "permission denied", "Choose another folder with --out."
        ) from error
    except OSError as error:
        if error.errno not in (*NO_SPACE, errno.EROFS):
            raise
        raise SegkitError(
            f"cannot write {target}", os.strerror(error.errno), "Free some space or change --out."
        ) from error


def write_text(path: Path | str, text: str) -> Path:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(words.whole(text), encoding="utf-8")
    return Path(path)


def write_json(path: Path | str, value: Any) -> Path:
    """Write indented JSON whole or not at all."""
    return write_text(path, words.json_text(value, indent=2) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON, or say which file is broken."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SegkitError(f"{path} is missing") from error
    except ValueError as error:
        raise SegkitError(f"{path} is not valid JSON", str(error)) from error


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file, read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def short_hash(value: Any, length: int = 8) -> str:
    """A stable short name for a JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def natural_key(name: str) -> list[int | str]:
    """Sort key in which 'a2' comes before 'a10'."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive; one that says it lies on several disks is none."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False
