"""Processes of segkit in tests, found by a mark in their environment whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

MARK = "SEGKIT_TEST_MARK"


class Family:
    """A process and all that come of it, at any depth, by fork, spawn or exec."""

    def __init__(self, home: Path):
        self.mark = uuid.uuid4().hex
        self.environment = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.environment[MARK] = self.mark
        self.seen: set[int] = set()

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """One member that this test started itself."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self.environment, **quiet)

    def alive(self) -> set[int]:
        """The members of which any thread runs.

        Of a killed process the first thread may be over while others still leave: its environment
        can no longer be read, so all that were ever seen are looked at.
        """
        self.seen |= {pid for pid in _all_processes() if self._is_marked(pid)}
        return {pid for pid in self.seen if _lives(pid)}

    def _is_marked(self, pid: int) -> bool:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"{MARK}={self.mark}".encode() in variables

    def end(self) -> None:
        """Kill whoever is left: a test that failed leaves nobody."""
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)


def until(done: Callable[[], object], seconds: float = 90.0) -> object:
    """Wait for a condition; its last answer."""
    begun = time.monotonic()
    while not done() and time.monotonic() - begun < seconds:
        time.sleep(0.05)
    return done()


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _lives(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("[0-9]*/stat")
    return any(not _is_over(thread) for thread in threads)


def _is_over(thread: Path) -> bool:
    try:
        return thread.read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
