"""Finding, refusing and building the C library."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from segkit import native
from segkit.errors import UsageError
from segkit.native import building as build

needs_library = pytest.mark.skipif(
    native.library() is None, reason=f"no C kernels: {native.reason()}"
)
needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="no C compiler")


@pytest.fixture
def fresh():
    """The loader as if nothing had been loaded, before and after."""

    def forget():
        for cached in (native._load, native.lanes, native.function):
            cached.cache_clear()

    forget()
    yield forget
    forget()


def test_library_and_reason_exclude_each_other():
    assert (native.library() is None) == bool(native.reason())
    assert native.describe_library()


def test_switched_off_by_a_variable(fresh, monkeypatch):
    monkeypatch.setenv("SEGKIT_NO_NATIVE", "1")
    assert native.library() is None
    assert "SEGKIT_NO_NATIVE" in native.reason()
    with pytest.raises(RuntimeError, match="SEGKIT_NO_NATIVE"):
        native.function("segkit_scan")


def test_installed_without_a_compiler(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    assert native.library() is None
    assert native.reason() == "segkit was installed without a C compiler"


@needs_compiler
def test_compiled_on_first_use_when_asked(fresh, monkeypatch, tmp_path):
    small = tmp_path / "sources"  # one small source instead of all: this is about the road
    small.mkdir()
    (small / "cpu.c").write_bytes((build.FOLDER / "cpu.c").read_bytes())
    monkeypatch.setattr(build, "FOLDER", small)
    monkeypatch.setattr(native, "FOLDER", small)
    monkeypatch.setenv("SEGKIT_COMPILE", "1")
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    assert native.library() is not None
    assert len(list(tmp_path.glob(f"native/*/{build.library_name()}"))) == 1


def test_a_broken_file_is_a_reason(fresh, monkeypatch, tmp_path):
    (tmp_path / build.library_name()).write_bytes(b"not a library")
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    assert native.library() is None
    assert "cannot be loaded" in native.reason()


@needs_library
def test_another_interface_is_refused(fresh, monkeypatch):
    monkeypatch.setattr(native, "ABI", native.ABI + 1)
    assert native.library() is None
    assert "another version" in native.reason()


@needs_library
@pytest.mark.parametrize("asked", ["4", "8", "16"])
def test_narrower_lanes_can_be_forced(fresh, monkeypatch, asked):
    widest = native.lanes()
    fresh()
    monkeypatch.setenv("SEGKIT_LANES", asked)
    if int(asked) > widest:
        with pytest.raises(UsageError, match="SEGKIT_LANES"):
            native.lanes()
    else:
        assert native.lanes() == int(asked)
        assert native.function("segkit_scan").__name__ == f"segkit_scan_{asked}"


@needs_library
def test_lanes_must_be_a_width(fresh, monkeypatch):
    monkeypatch.setenv("SEGKIT_LANES", "5")
    with pytest.raises(UsageError, match="takes 4"):
        native.lanes()


def test_tasks_are_spread_over_threads():
    """Every task once, whatever the number of threads; a full memory is an error."""

    class Numbers(ctypes.Structure):
        _fields_ = [("tasks", ctypes.c_int64)]

    done: list[int] = []

    def kernel(problem, counter):
        number = counter._obj.value
        while number < problem._obj.tasks:
            counter._obj.value = number + 1
            done.append(number)
            number = counter._obj.value
        return 0

    native.run(kernel, Numbers(5), 5, 1)
    assert done == [0, 1, 2, 3, 4]
    with pytest.raises(MemoryError):
        native.run(lambda problem, counter: 1, Numbers(5), 5, 2)


def test_a_broken_compiler_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", sys.executable)
    with pytest.raises(build.BuildError, match="failed"):
        build.build(tmp_path / "out.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.BuildError, match="no C compiler"):
        build.build(tmp_path / "out.so")
    assert not list(tmp_path.iterdir())


def hook():
    path = Path(__file__).resolve().parents[2] / "hatch_build.py"
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class App:
    """What hatchling hands to a hook, as far as it is used."""

    def __init__(self):
        self.warnings = []

    def display_warning(self, text):
        self.warnings.append(text)


def run_hook(module, monkeypatch, tmp_path):
    """The hook's outcome on a copy of the smallest source."""
    for name in ("cpu.c", "building.py"):
        (tmp_path / name).write_bytes((build.FOLDER / name).read_bytes())
    monkeypatch.setattr(module, "NATIVE", tmp_path)
    app, data = App(), {"artifacts": []}
    plugin = module.NativeHook.__new__(module.NativeHook)
    monkeypatch.setattr(module.NativeHook, "app", app, raising=False)
    plugin.initialize("standard", data)
    return app.warnings, data


@needs_compiler
def test_the_wheel_is_for_this_platform_with_a_compiler(monkeypatch, tmp_path):
    module = hook()
    warnings, data = run_hook(module, monkeypatch, tmp_path)
    assert not warnings
    assert data["pure_python"] is False
    assert data["tag"] == f"py3-none-{module.platform_tag()}"
    assert data["artifacts"] == [f"src/segkit/native/{build.library_name()}"]
    assert (tmp_path / build.library_name()).stat().st_size > 1_000


def test_the_wheel_is_pure_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "no-such-compiler")
    stale = tmp_path / build.library_name()
    stale.write_bytes(b"old")
    warnings, data = run_hook(hook(), monkeypatch, tmp_path)
    assert "CPU scans are slower" in warnings[0]
    assert data == {"artifacts": []}
    assert not stale.exists()


@needs_library
def test_a_forked_child_has_its_own_threads():
    code = (
        "import os, torch\n"
        "from segkit import ops\n"
        "torch.set_num_threads(2)\n"
        "x = torch.randn(2, 32, 100)\n"
        "A, B = -torch.ones(32, 4), x[:, :4]\n"
        "def scan(): return ops.selective_scan(x, x.abs(), A, B, B)\n"
        "expected = scan()\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if torch.equal(scan(), expected) else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
