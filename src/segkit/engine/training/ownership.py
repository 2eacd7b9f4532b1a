"""One writer per fold: the same training started twice would write two runs into one folder.

The lock is the kernel's (flock), so it ends with its holder, however that one ends; the file says
who holds it. NFS hands it on to its server, so it holds for all machines; where a file system keeps
locks to one machine, the training is refused. Readers take no lock and are never kept out.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from segkit.data.locks import TAKEN
from segkit.data.mounts import mount_of
from segkit.errors import SegkitError
from segkit.paths import process_lives

try:
    import fcntl
except ImportError:  # Windows: who trains is read from the file alone
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


@contextmanager
def sole_writer(folders: Sequence[Path]) -> Iterator[None]:
    """Hold the folders of all folds that are about to be trained, or say who holds one."""
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(_holding(folder))
        yield


@contextmanager
def _holding(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    handle = _locked(path)
    try:
        handle.seek(0)
        handle.truncate()
        json.dump(_holder(), handle)
        handle.flush()
        yield
    finally:
        path.unlink(missing_ok=True)  # still locked: nobody can have taken it in between
        handle.close()


def _locked(path: Path) -> IO[str]:
    """The lock file, open and locked; one that its holder has just removed is not it."""
    while True:
        handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - held for the training
        try:
            _lock(handle, path)
            if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        except BaseException:
            handle.close()
            raise
        handle.close()


def _lock(handle: IO[str], path: Path) -> None:
    mount = mount_of(path.parent)
    if mount is not None and mount.why_local:
        raise SegkitError(
            f"{path.parent} cannot be locked for all machines",
            mount.why_local,
            "Choose an --out on a local disk, or on a file system whose locks all machines see.",
        )
    if fcntl is None:
        if _alive_here(_read(handle)):
            raise _taken(handle, path)
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            raise _taken(handle, path) from error
        raise SegkitError(
            f"{path.parent} cannot be locked",
            f"its file system says: {error.strerror}",
            "Choose an --out on a file system with locks (local, or NFS with its lock service).",
        ) from error


def _holder() -> dict[str, Any]:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"host": platform.node(), "pid": os.getpid(), "started": started}


def _read(handle: IO[str]) -> dict[str, Any]:
    handle.seek(0)
    try:
        facts = json.loads(handle.read())
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _alive_here(facts: dict[str, Any]) -> bool:
    here = facts.get("host") == platform.node() and isinstance(facts.get("pid"), int)
    return here and process_lives(facts["pid"])


def _taken(handle: IO[str], path: Path) -> SegkitError:
    facts = _read(handle)
    who = f"process {facts.get('pid', '?')} on {facts.get('host', '?')}"
    return SegkitError(
        f"{path.parent} is being trained already",
        f"by {who}, since {facts.get('started', '?')}",
        "Wait for it or stop it, then --resume; or choose another --out.",
    )
