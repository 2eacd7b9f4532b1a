"""Every installed plugin keeps the contract: the same suite as `segkit plugins check`."""

import pytest

from segkit import plugins
from segkit.testing import assert_passes, check_architecture, check_dataset, check_loss

LARGE = 12_000_000  # parameters; larger networks are checked in the slow run
LONG = ("hvmunet", "mhorunet")  # small networks of many steps: a minute and twenty seconds


def networks():
    for name in plugins.names("architectures"):
        value = plugins.get("architectures", name)
        slow = (value.params or 0) > LARGE or name in LONG
        yield pytest.param(name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("name", list(networks()))
def test_architectures(name):
    assert_passes(check_architecture(name))


@pytest.mark.parametrize("name", plugins.names("losses"))
def test_losses(name):
    assert_passes(check_loss(name))


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_datasets(name):
    assert_passes(check_dataset(name))
