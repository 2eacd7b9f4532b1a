"""One writer per fold, and no worker that outlives its launcher."""

import json
import os
import signal
import sys

import pytest
from processes import Family, until

from segkit.engine.training import ownership
from segkit.engine.training.ownership import sole_writer
from segkit.errors import SegkitError

WORDS = ["train", "unet", "--data", "demo", "--size", "32", "--epochs", "5000", "--batch", "2"]
WORDS += ["--device", "cpu", "--folds", "2", "--set", "model.width=4", "--set", "model.levels=2"]


def command(out, *words):
    return [sys.executable, "-m", "segkit", *WORDS, "--out", str(out), *words]


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
    out, family, rivals = tmp_path / "run", Family(home), Family(home)
    first = family.start(command(out, *words))
    try:
        assert until(lambda: any(out.glob("fold*/metrics.csv"))), "it did not begin to train"
        environment = (out / "environment.json").read_bytes()
        second = rivals.start(command(out, *words, "--resume"))
        assert second.wait(90) != 0
        assert (out / "environment.json").read_bytes() == environment  # it wrote nothing
        assert not words or len(family.alive()) >= 3
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert until(lambda: not family.alive() and is_free(out / "fold0"), 5.0), family.alive()
    finally:
        family.end()
        rivals.end()
