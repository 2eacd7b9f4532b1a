"""A hidden folder in which raw files are made ready before anybody sees them. Stdlib only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".incoming-"


@contextmanager
def aside(root: Path) -> Iterator[Path]:
    """A temporary folder in `root`; the caller holds the lock, so older ones are leftovers."""
    for stale in root.glob(f"{PREFIX}*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=root) as folder:
        yield Path(folder)
