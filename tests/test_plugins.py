"""Discovery: one door for all, errors that name the culprit, and nothing breaks its neighbours."""

import dataclasses
from importlib.metadata import EntryPoint

import pytest

from segkit import plugins
from segkit.api import CONTRACTS, Architecture
from segkit.errors import SegkitError, UsageError


class Owner:
    """A distribution as an entry point carries it."""

    def __init__(self, name):
        self.name = name


def entry(name, value, owner):
    made = EntryPoint(name, value, "segkit.architectures")
    vars(made)["dist"] = Owner(owner)
    return made


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these entry points are installed."""

    def install(*entries):
        plugins.discover.cache_clear()
        plugins._load.cache_clear()
        monkeypatch.setattr(plugins, "entry_points", lambda group: list(entries))

    yield install
    plugins.discover.cache_clear()
    plugins._load.cache_clear()


def test_all_first_party_plugins_load():
    for group in CONTRACTS:
        broken = [(s.name, s.reason) for s in plugins.statuses(group) if s.status != "ok"]
        assert broken == [], group


def test_every_plugin_is_frozen():
    for group, contract in CONTRACTS.items():
        assert contract.__dataclass_params__.frozen
        for status in plugins.statuses(group):
            with pytest.raises(dataclasses.FrozenInstanceError):
                status.value.name = "other"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'unet'"):
        plugins.get("architectures", "unett")


def test_an_unknown_group_is_refused():
    with pytest.raises(UsageError, match="plugin group 'architecture'"):
        plugins.names("architecture")


def test_a_name_of_two_distributions_names_both(installed):
    installed(entry("unet", "segkit_baselines.unet:UNET", "segkit"), entry("unet", "x:Y", "thief"))
    with pytest.raises(UsageError, match=r"defined twice.*by segkit and thief"):
        plugins.get("architectures", "unet")


def test_the_same_metadata_seen_twice_is_no_conflict(installed):
    installed(*[entry("unet", "segkit_baselines.unet:UNET", "segkit")] * 2)
    assert plugins.get("architectures", "unet").name == "unet"


def test_a_broken_plugin_is_unavailable_and_breaks_nothing_else(installed):
    good = entry("unet", "segkit_baselines.unet:UNET", "segkit")
    installed(entry("broken", "no_such_module_here:X", "stranger"), good)
    found = {status.name: status for status in plugins.statuses("architectures")}
    assert found["unet"].status == "ok"
    assert found["broken"].status == "unavailable"
    assert "ModuleNotFoundError" in found["broken"].reason
    with pytest.raises(SegkitError, match="'broken' cannot be loaded"):
        plugins.get("architectures", "broken")


def test_a_plugin_of_the_wrong_type_is_refused(installed):
    installed(entry("bce", "segkit_losses:BCE", "stranger"))
    with pytest.raises(SegkitError, match=r"not a segkit\.api\.Architecture"):
        plugins.get("architectures", "bce")


def test_a_plugin_that_calls_itself_otherwise_is_refused(installed):
    installed(entry("alias", "segkit_baselines.unet:UNET", "stranger"))
    with pytest.raises(SegkitError, match="names itself 'unet'"):
        plugins.get("architectures", "alias")


def test_discovery_imports_nothing(installed):
    installed(entry("later", "no_such_module_here:X", "stranger"))
    assert plugins.names("architectures") == ["later"]


def test_names_follow_the_house_rule():
    for group in ("architectures", "losses", "backends", "exporters"):
        for name in plugins.names(group):
            assert name == name.lower()
            assert "-" not in name


def test_stated_counts_are_there_for_the_papers():
    for name in ("qtseg", "eamnet", "dermomamba", "vmpanet"):
        value: Architecture = plugins.get("architectures", name)
        assert value.params
        assert value.paper
        assert "paper" in value.recipes
