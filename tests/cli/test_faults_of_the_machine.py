"""What a machine lacks is one line with a cure; a fault of ours stays one."""

import errno
import os

import pytest

from segkit import cli
from segkit.data import memory
from segkit.engine.predicting import folder, grouping


def ended_by(error, monkeypatch, capsys):
    """Exit code and words of a command in which something is raised."""

    def app(*_, **__):
        raise error

    monkeypatch.setattr(cli, "build_app", lambda words: app)
    return cli.run(["runs"]), capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("could not create a primitive"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: 8 B"),
        RuntimeError("posix_memalign: can't allocate memory"),
    ],
    ids=["python", "onednn", "torch", "system"],
)
def test_too_little_memory_is_one_line_with_a_cure(error, monkeypatch, capsys):
    code, said = ended_by(error, monkeypatch, capsys)
    assert code == 1
    assert said.startswith("error: there is too little memory")
    assert "A smaller --size or --batch" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["full", "quota"])
def test_a_full_disk_is_one_line_with_a_cure(number, monkeypatch, capsys):
    error = OSError(number, os.strerror(number), "/data/x")
    code, said = ended_by(error, monkeypatch, capsys)
    assert code == 1
    assert said.startswith("error: the disk is full")
    assert "Free some space" in said


def test_another_fault_is_not_hidden(monkeypatch, capsys):
    with pytest.raises(RuntimeError, match="a fault of ours"):
        ended_by(RuntimeError("a fault of ours"), monkeypatch, capsys)


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize(
    "words",
    [
        ["runs", "LOOP"],
        ["report", "LOOP"],
        ["evaluate", "LOOP"],
        ["predict", "LOOP", "LOOP", "--out", "out"],
        ["data", "import", "mine", "--images", "LOOP/*.png", "--masks", "LOOP/*.png"],
        ["weights", "import", "unet", "LOOP", "--out", "out"],
        ["train", "unet", "--data", "demo", "--size", "32", "--out", "LOOP"],
    ],
    ids=" ".join,
)
def test_a_link_onto_itself_is_one_line(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    code = cli.run([word.replace("LOOP", str(loop)) for word in words])
    said = capsys.readouterr()
    assert code in (0, 1, 2)
    assert "internal fault" not in said.err
    assert code == 0 or said.err.count("error:") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["train", "unet", "--data", "demo"],
        ["profile", "unet"],
        ["data", "prepare", "demo"],
        ["export", "unet", "--to", "onnx"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("size", ["1000000x1000000", "0", "64x0", "9" * 30])
def test_a_size_that_no_machine_holds_is_wrong_usage(words, size, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run([*words, "--size", size]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_large_pictures_are_in_memory_one_at_a_time(tmp_path, monkeypatch):
    cost = {"small": 10, "large": 26, "unread": None}
    monkeypatch.setattr(memory, "bound", lambda: 200)  # a quarter of it, for two workers: 25
    monkeypatch.setattr(grouping, "_cost", lambda s, picture, job: cost[picture.name])
    named = ["small", "small", "large", "large", "small", "unread", "small"]
    pictures = [folder.Picture(tmp_path, name) for name in named]
    job = folder.PredictJob(tmp_path, workers=2)
    made = [[p.name for p in group] for group in grouping.groups(None, pictures, job)]
    assert made == [["small", "small"], ["large"], ["large"], ["small"], ["unread"], ["small"]]
