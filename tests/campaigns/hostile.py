"""What all campaigns share: a command in a forked child, bounded in time, its end judged.

The parent has loaded torch once; a child costs some milliseconds. A child that dies of a signal,
hangs, shows a traceback or takes more memory than its bound is a fault.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

BOUND = 256 << 20  # --max-memory of every child
BESIDE = 300 << 20  # what the network, its buffers and the interpreter take besides
LONGEST = 60.0  # seconds of the processor
PATIENCE = 5  # times that on the clock: others may be at work on the machine


@dataclass
class End:
    """How a child ended."""

    code: int | None  # None: killed
    signal: int
    text: str
    peak: int  # bytes above what it began with
    seconds: float
    fault: str = ""


@dataclass
class Tried:
    """One seed of a campaign: how much was tried, what fell short, the highest memory."""

    count: int = 1
    faults: list[str] = field(default_factory=list)
    peak: int = 0

    def note(self, end: End, what: str) -> End:
        """Count an end; a fault is kept with what was done."""
        self.peak = max(self.peak, end.peak)
        if end.fault:
            self.faults.append(f"{what}: {end.fault}")
        return end

    def expect(self, holds: object, what: str) -> None:
        """Something that must be so whatever was done."""
        if not holds:
            self.faults.append(what)


class Campaign(Protocol):
    """A kind of attack: a world made once, then one seed after another."""

    title: str
    quota: int  # seeds of a whole campaign
    lists: str  # what `count` counts

    def attack(self, seed: int, work: Path) -> Tried: ...


def preload() -> None:
    """What children would load again and again."""
    import cv2
    import torch

    import segkit.engine.evaluating.evaluate
    import segkit.engine.predicting.folder
    import segkit.engine.training.crossval
    import segkit.report.page  # noqa: F401

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def segkit(words: list[str], log: Path, **how: float) -> End:
    """A command line in a child."""

    def command() -> int:
        from segkit.cli import run

        return run(words)

    return child(command, log, **how)


def child(
    work: Callable[[], int], log: Path, kill_after: float = 0, longest: float = LONGEST
) -> End:
    """Do something in a forked child; with `kill_after`, kill it after so many seconds."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _in_child(work, log, longest)
    limit = begun + (kill_after or PATIENCE * longest)
    while True:
        done, status, _ = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > limit:
            os.killpg(pid, signal.SIGKILL) if _leads(pid) else os.kill(pid, signal.SIGKILL)
            _, status, _ = os.wait4(pid, 0)
            break
        time.sleep(0.002)
    return _judged(status, log, time.monotonic() - begun, bool(kill_after), longest)


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _in_child(work: Callable[[], int], log: Path, longest: float) -> None:
    code = 70
    try:
        os.setpgid(0, 0)
        spent = time.process_time()  # a forked child begins with none, but for what fork cost
        most = math.ceil(spent + longest)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", errors="strict")
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
        os.environ["SEGKIT_MAX_MEMORY"] = str(BOUND)
        Path(f"{log}.before").write_text(str(_peak()))
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            Path(f"{log}.after").write_text(str(_peak()))
        finally:
            os._exit(code)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _judged(status: int, log: Path, seconds: float, meant: bool, longest: float) -> End:
    text = log.read_text(errors="replace") if log.exists() else ""
    before, after = (Path(f"{log}.{end}") for end in ("before", "after"))
    peak = _number(after) - _number(before) if after.exists() else 0
    for path in (before, after):
        path.unlink(missing_ok=True)
    ended = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    end = End(ended, os.WTERMSIG(status) if ended is None else 0, text, peak, seconds)
    if ended is None and not meant:
        end.fault = f"ended by signal {end.signal} after {seconds:.0f} s (longest {longest:.0f})"
    elif ended not in (0, 1, 2, None) or "Traceback" in text or "internal fault" in text:
        end.fault = f"exit {ended}: {text[-400:]}"
    elif peak > BOUND + BESIDE:
        end.fault = f"took {peak >> 20} MB, allowed {(BOUND + BESIDE) >> 20}"
    return end


def _number(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except (OSError, ValueError):
        return 0
