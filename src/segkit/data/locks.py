"""One writer at a time: two commands that prepare the same set wait for each other."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from segkit.data.mounts import mount_of
from segkit.errors import SegkitError

try:
    import fcntl
except ImportError:  # Windows: no waiting; every result is still renamed into place whole
    fcntl = None  # type: ignore[assignment]

TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


def _wait(handle: IO[str], path: Path, say: Callable[[str], None] | None) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except OSError as error:
        if error.errno not in TAKEN:
            raise SegkitError(
                f"{path.parent} cannot be locked",
                f"its file system says: {error.strerror}",
                "Use a file system with locks (local, or NFS with its lock service).",
            ) from error
    if say:
        say(f"waiting for another segkit that works in {path.parent}")
    fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def locked(path: Path, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an advisory lock on `path` (created if needed); `say` is told before waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as handle:
        if fcntl is not None:
            mount = mount_of(path.parent)
            if mount is not None and mount.why_local and say:
                say(f"{mount.why_local}: work in {path.parent} from one machine at a time")
            _wait(handle, path, say)
        yield
