"""A home of its own for the engine's tests: the demo set is prepared once per session."""

import pytest
import torch


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory):
    return tmp_path_factory.mktemp("engine-home")


@pytest.fixture
def home(demo_home, monkeypatch):
    """SEGKIT_HOME with the demo set, one thread."""
    monkeypatch.setenv("SEGKIT_HOME", str(demo_home))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield demo_home
    torch.set_num_threads(threads)
