"""A worker ends with the process that started it, however that one ended.

After `kill -9` of a launcher its workers would train on, beside those of a resumed run, in one
folder. On Linux the kernel is told (PR_SET_PDEATHSIG); elsewhere a thread looks twice a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
FOLLOWING = (  # what a Python of its own does with: PARENT WORDS...
    "import sys; from segkit.engine import lifeline; lifeline.follow(int(sys.argv.pop(1))); "
    "from segkit.cli import main; main()"
)
PAUSE = 0.5  # seconds between two looks


def command(words: Sequence[str]) -> list[str]:
    """`segkit WORDS` in a process that ends with this one."""
    return [sys.executable, "-c", FOLLOWING, str(os.getpid()), *words]


def follow(parent: int | None = None) -> None:
    """End this process when its parent does; `parent` is the one that it was started by."""
    starter = os.getppid() if parent is None else parent
    kernel = sys.platform == "linux" and _told_the_kernel()
    if os.getppid() != starter:  # it ended before we could say so
        os._exit(1)
    if not kernel:
        threading.Thread(target=_watch, args=(starter,), daemon=True, name="lifeline").start()


def _told_the_kernel() -> bool:
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return bool(library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _watch(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(PAUSE)
    os._exit(1)
