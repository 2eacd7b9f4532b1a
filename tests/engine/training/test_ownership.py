"""One writer per fold, and no worker that outlives its launcher."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segkit.engine.training import ownership
from segkit.engine.training.ownership import sole_writer
from segkit.errors import SegkitError

WORDS = ["train", "unet", "--data", "demo", "--size", "32", "--epochs", "5000", "--batch", "2"]
WORDS += ["--device", "cpu", "--folds", "2", "--set", "model.width=4", "--set", "model.levels=2"]


def start(home, out, *words):
    environment = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "segkit", *WORDS, "--out", str(out), *words]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def until(done, seconds=90.0):
    """Wait for a condition; its last answer."""
    begun = time.monotonic()
    while not done() and time.monotonic() - begun < seconds:
        time.sleep(0.05)
    return done()


def children(pid):
    """All processes below a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(entry.name), *children(int(entry.name))]
    return found


def alive(pid):
    """Whether any thread runs: the first of a killed process may be gone before the others."""
    threads = Path(f"/proc/{pid}/task").glob("[0-9]*/stat")
    return any(not is_over(thread) for thread in threads)


def is_over(thread):
    try:
        return thread.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def is_free(folder):
    try:
        with sole_writer([folder]):
            return True
    except SegkitError:
        return False


def test_a_held_folder_says_who_holds_it_and_is_free_again_afterwards(tmp_path):
    with sole_writer([tmp_path / "fold0"]):
        with (
            pytest.raises(SegkitError, match=rf"trained already: by process {os.getpid()} on"),
            sole_writer([tmp_path / "fold1", tmp_path / "fold0"]),
        ):
            pytest.fail("two writers")
        with sole_writer([tmp_path / "fold1"]):  # what the refused one held is free
            pass
    assert list(tmp_path.rglob(".lock")) == []
    with sole_writer([tmp_path / "fold0"]):
        pass


def test_a_lock_file_that_somebody_left_is_no_lock(tmp_path):
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / ".lock").write_text('{"host": "gone", "pid": 1}')
    with sole_writer([tmp_path / "fold0"]):
        assert json.loads((tmp_path / "fold0" / ".lock").read_text())["pid"] == os.getpid()


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(ownership.fcntl, "flock", fail)
    with (
        pytest.raises(SegkitError, match="cannot be locked: its file system says: No locks"),
        sole_writer([tmp_path]),
    ):
        pytest.fail("no lock")


def test_without_the_kernels_locks_the_file_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "fcntl", None)
    with (
        sole_writer([tmp_path]),
        pytest.raises(SegkitError, match="trained already"),
        sole_writer([tmp_path]),
    ):
        pytest.fail("two writers")
    (tmp_path / ".lock").write_text(json.dumps({"host": ownership.platform.node(), "pid": 2**22}))
    with sole_writer([tmp_path]):
        pass


def test_a_process_of_somebody_else_is_alive(tmp_path, monkeypatch):
    def kill(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(ownership, "fcntl", None)
    facts = {"host": ownership.platform.node(), "pid": 1, "started": "2026-01-01"}
    (tmp_path / ".lock").write_text(json.dumps(facts))
    with pytest.raises(SegkitError, match="trained already"), sole_writer([tmp_path]):
        pytest.fail("two writers")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    "words",
    [
        ("--fold-jobs", "2"),
        pytest.param(("--nproc", "2"), marks=pytest.mark.slow),
        pytest.param((), marks=pytest.mark.slow),
    ],
    ids=["fold-jobs", "nproc", "alone"],
)
def test_the_second_is_refused_and_a_killed_launcher_leaves_nobody(home, tmp_path, words):
    out = tmp_path / "run"
    first = start(home, out, *words)
    try:
        assert until(lambda: any(out.glob("fold*/metrics.csv"))), "it did not begin to train"
        environment = (out / "environment.json").read_bytes()
        second = start(home, out, *words, "--resume")
        assert second.wait(90) != 0
        assert (out / "environment.json").read_bytes() == environment  # it wrote nothing
        below = children(first.pid)
        assert len(below) >= 2 or not words
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    assert until(lambda: not any(alive(pid) for pid in below), 5.0), "orphans train on"
    assert until(lambda: is_free(out / "fold0"), 15.0), "somebody holds the folder still"
