"""One writer at a time: two commands that prepare the same set wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no waiting; every result is still renamed into place whole
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: Path, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an advisory lock on `path` (created if needed); `say` is told before waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as handle:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if say:
                    say(f"waiting for another segkit that works in {path.parent}")
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
