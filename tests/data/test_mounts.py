"""Which locks hold for all machines, from tables as Linux prints them; the copy on a local disk."""

import errno
import fcntl
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from segkit import paths
from segkit.data import locks, mounts
from segkit.data.nearby import nearby
from segkit.engine.training import ownership
from segkit.engine.training.ownership import sole_writer
from segkit.errors import SegkitError

HEAD = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def line(point, kind, options, number=30):
    return f"{number} 22 0:40 / {point} rw,noatime shared:9 - {kind} server:/x {options}\n"


@pytest.mark.parametrize(
    ("kind", "options", "holds"),
    [
        ("nfs4", "rw,vers=4.2,local_lock=none", True),
        ("nfs4", "rw,vers=4.2,local_lock=flock", False),
        ("nfs", "rw,vers=3,nolock,local_lock=all", False),
        ("nfs", "rw,vers=3,local_lock=posix", True),  # flock goes to the server all the same
        ("nfs", "rw,vers=3,local_lock=none", True),
        ("lustre", "rw,flock,lazystatfs", True),
        ("lustre", "rw,localflock", False),
        ("cifs", "rw,vers=3.0,nobrl", False),
        ("cifs", "rw,vers=3.0", True),
        ("fuse.sshfs", "rw,user_id=0", False),
        ("fuse.gcsfuse", "rw", False),
        ("fuse.fuse-overlayfs", "rw", True),  # a container on one machine
        ("ext4", "rw", True),
    ],
)
def test_locks_hold_or_do_not(kind, options, holds):
    found = mounts.mount_of(Path("/scratch/me/run"), HEAD + line("/scratch", kind, options))
    assert found.point == "/scratch"
    assert (found.why_local == "") == holds
    assert holds or kind.removeprefix("fuse.") in found.why_local


def test_the_deepest_mount_counts_and_the_later_of_two():
    table = HEAD + line("/data", "nfs", "rw,nolock") + line("/data/my\\040disk", "ext4", "rw")
    assert mounts.mount_of(Path("/data/my disk/run"), table).kind == "ext4"
    assert mounts.mount_of(Path("/data/other"), table).kind == "nfs"
    assert mounts.mount_of(Path("/database"), table).point == "/"
    again = table + line("/data", "nfs4", "rw,local_lock=none", 31)
    assert mounts.mount_of(Path("/data/other"), again).kind == "nfs4"


def test_a_training_is_refused_where_locks_are_for_one_machine(tmp_path, monkeypatch):
    alone = mounts.Mount(str(tmp_path), "nfs", ("nolock",))
    monkeypatch.setattr(ownership, "mount_of", lambda path: alone)
    with (
        pytest.raises(SegkitError, match=r"for all machines: nfs at .* is mounted with nolock"),
        sole_writer([tmp_path / "fold0"]),
    ):
        pytest.fail("trained without a lock")


def test_preparing_says_so_and_goes_on(tmp_path, monkeypatch):
    alone = mounts.Mount(str(tmp_path), "fuse.sshfs")
    monkeypatch.setattr(locks, "mount_of", lambda path: alone)
    said = []
    with locks.locked(tmp_path / ".lock", said.append):
        pass
    assert said[0].endswith("from one machine at a time")


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with (
        pytest.raises(SegkitError, match="its file system says: No locks"),
        locks.locked(tmp_path / ".lock"),
    ):
        pytest.fail("no lock")


def write_set(root, value):
    root.mkdir(parents=True, exist_ok=True)
    np.save(root / "images.npy", np.full((4, 8), value, np.uint8))
    (root / ".stamp").write_text("x")
    paths.write_json(root / "manifest.json", {"hash": str(value) * 64})
    return root


def test_a_copy_is_made_once_and_anew_for_a_changed_set(tmp_path):
    root = write_set(tmp_path / "shared" / "demo" / "64x64", 1)
    first = nearby(root, str(tmp_path / "disk"))
    assert np.load(first / "images.npy").max() == 1
    assert sorted(p.name for p in first.iterdir()) == ["images.npy", "manifest.json"]
    made = (first / "images.npy").stat().st_mtime_ns
    assert nearby(root, str(tmp_path / "disk")) == first
    assert (first / "images.npy").stat().st_mtime_ns == made
    write_set(root, 2)
    other = nearby(root, str(tmp_path / "disk"))
    assert other != first
    assert json.loads((other / "manifest.json").read_text())["hash"].endswith("2")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path):
    root = write_set(tmp_path / "shared" / "demo" / "64x64", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(SegkitError, match=r"no copy of .* in"):
        nearby(root, str(tmp_path / "file"))


def _copy(root, cache):
    nearby(Path(root), cache)


def test_two_processes_make_one_copy(tmp_path):
    root = write_set(tmp_path / "shared" / "demo" / "64x64", 1)
    context = multiprocessing.get_context("fork")
    both = [
        context.Process(target=_copy, args=(str(root), str(tmp_path / "disk"))) for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(list((tmp_path / "disk").rglob("images.npy"))) == 1


def test_a_durable_file_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    whole = paths.os.fsync

    def fsync(handle):
        seen.append((tmp_path / "last.pt").exists())
        whole(handle)

    monkeypatch.setattr(paths.os, "fsync", fsync)
    with paths.replacing(tmp_path / "last.pt", durable=True) as temporary:
        temporary.write_bytes(b"state")
    with paths.replacing(tmp_path / "log.txt") as temporary:
        temporary.write_bytes(b"text")
    assert seen == [False]
