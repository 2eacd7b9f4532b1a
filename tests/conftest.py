"""Every test starts from the same random state, so a run that passes once passes again."""

import random
import signal

import numpy as np
import pytest
import torch


def pytest_configure():
    """A shell lets its background jobs ignore Ctrl+C; the tests of stopping need it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seeded():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
