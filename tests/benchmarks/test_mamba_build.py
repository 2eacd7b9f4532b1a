"""mamba-ssm's scan for a comparison: the installed module, else its sources, else a clear line."""

import subprocess
import sys
import tarfile
import types
from pathlib import Path

import pytest
import torch
from torch.utils import cpp_extension

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import mamba_build

FOLDER = Path(mamba_build.__file__).parent


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "mamba_ssm-0" / "csrc" / "selective_scan"
    folder.mkdir(parents=True)
    for name in ("selective_scan.cpp", "forward.cu", "kernel.cuh"):
        (folder / name).write_text("")
    return folder


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.delitem(sys.modules, mamba_build.NAME, raising=False)
    yield
    sys.modules.pop(mamba_build.NAME, None)


def test_an_installed_module_is_taken(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, mamba_build.NAME, types.ModuleType(mamba_build.NAME))
    mamba_build.provide(tmp_path / "absent")  # the source is not even looked at


def test_a_folder_and_an_archive_are_searched(sources, tmp_path):
    assert mamba_build.kernel_folder(sources.parents[1], tmp_path) == sources
    packed = tmp_path / "packed.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(sources.parents[1], "mamba_ssm-0")
    scratch = tmp_path / "scratch"
    found = mamba_build.kernel_folder(packed, scratch)
    assert found == scratch / "mamba_ssm-0" / "csrc" / "selective_scan"


def test_wrong_sources_are_named(tmp_path):
    with pytest.raises(SystemExit, match="no such file"):
        mamba_build.kernel_folder(tmp_path / "absent.tar.gz", tmp_path)
    with pytest.raises(SystemExit, match=r"no csrc/selective_scan/selective_scan\.cpp"):
        mamba_build.kernel_folder(tmp_path, tmp_path)


def test_without_a_gpu_or_nvcc_it_says_so(monkeypatch, sources):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device"):
        mamba_build.build(sources)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    with pytest.raises(SystemExit, match="no nvcc"):
        mamba_build.build(sources)


@pytest.mark.usefixtures("absent")
def test_all_sources_of_the_scan_are_given_to_the_compiler(monkeypatch, sources):
    asked = {}

    def load(name, files, **options):
        asked.update(name=name, files=[Path(file).name for file in files], **options)
        return types.ModuleType(name)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", "/cuda")
    monkeypatch.setattr(cpp_extension, "load", load)
    mamba_build.provide(sources.parents[1])
    assert asked["name"] == "selective_scan_cuda"
    assert asked["files"] == ["selective_scan.cpp", "forward.cu"]
    assert asked["extra_include_paths"] == [str(sources)]
    assert mamba_build.NAME in sys.modules


def test_the_command_line_ends_with_one_line(tmp_path):
    command = [sys.executable, str(FOLDER / "mamba_build.py"), str(tmp_path / "absent")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("there is no such file or folder")
    assert len(done.stderr.strip().splitlines()) == 1
