"""What all campaigns share: a command in a forked child, bounded in time, its end judged.

The parent has loaded torch once; a child costs some milliseconds. A child that dies of a signal,
hangs, shows a traceback or takes more memory than its bound is a fault. On a busy machine a child
waits for its turn: it hangs when its own processor time is over, or five times that by the clock.
"""

from __future__ import annotations

import faulthandler
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
LONGEST = 60.0  # seconds of processor time
PATIENCE = 5  # by the clock, as a multiple of that
TICKS = os.sysconf("SC_CLK_TCK")


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
        _in_child(work, log)
    limit = begun + (kill_after or PATIENCE * longest)
    status = _end_of(pid, limit, None if kill_after else longest)
    return _judged(status, log, time.monotonic() - begun, bool(kill_after))


def _end_of(pid: int, limit: float, processor: float | None) -> int:
    """The status of a child that ends, or is ended when one of its times is over."""
    while True:
        done, status, _ = os.wait4(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > limit or (processor and _spent(pid) > processor):
            return _ended(pid, hangs=processor is not None)
        time.sleep(0.01 if processor else 0.002)


def _ended(pid: int, hangs: bool) -> int:
    """Kill a child, with its group; one that hangs first writes down where its threads stand."""
    if hangs:
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.5)
    os.killpg(pid, signal.SIGKILL) if _leads(pid) else os.kill(pid, signal.SIGKILL)
    return os.wait4(pid, 0)[1]


def _spent(pid: int) -> float:
    """Seconds of processor time of a child; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _in_child(work: Callable[[], int], log: Path) -> None:
    code = 70
    try:
        os.setpgid(0, 0)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", errors="strict")
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
        faulthandler.register(signal.SIGUSR1, sys.stderr, all_threads=True)
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


def _judged(status: int, log: Path, seconds: float, meant: bool) -> End:
    text = log.read_text(errors="replace") if log.exists() else ""
    before, after = (Path(f"{log}.{end}") for end in ("before", "after"))
    peak = _number(after) - _number(before) if after.exists() else 0
    for path in (before, after):
        path.unlink(missing_ok=True)
    ended = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    end = End(ended, os.WTERMSIG(status) if ended is None else 0, text, peak, seconds)
    if ended is None and not meant:
        end.fault = f"ended by signal {end.signal} after {seconds:.0f} s: {_stack(text)}"
    elif ended not in (0, 1, 2, None) or "Traceback" in text or "internal fault" in text:
        end.fault = f"exit {ended}: {text[-400:]}"
    elif peak > BOUND + BESIDE:
        end.fault = f"took {peak >> 20} MB, allowed {(BOUND + BESIDE) >> 20}"
    return end


def _stack(text: str) -> str:
    """Where a child that hung stood, the innermost call first; else its last words."""
    place = text.rfind("Current thread")
    return text[place : place + 1500] if place >= 0 else text[-400:]


def _number(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except (OSError, ValueError):
        return 0
