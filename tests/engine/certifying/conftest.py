"""One tiny run on the demo set, with enough validation pictures to certify it, for the session."""

import pytest
import short_runs

from segkit import paths
from segkit.data.preparing.prepare import ensure_prepared
from segkit.data.store import open_prepared
from segkit.engine.certifying.certify import CertificateSettings, certify

PICTURES = "original+count=160"


@pytest.fixture(scope="session")
def certified_home(tmp_path_factory):
    return tmp_path_factory.mktemp("certify-home")


@pytest.fixture
def home(certified_home, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(certified_home))
    return certified_home


@pytest.fixture(scope="session")
def run(certified_home, tmp_path_factory):
    """160 pictures of 32²: 50 train, 60 validate, 50 test."""
    out = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(certified_home))
        plain = short_runs.recipe(data={"variant": PICTURES}).data
        ids = open_prepared(ensure_prepared(plain.name, plain)).ids
        parts = {"train": ids[:50], "val": ids[50:110], "test": ids[110:]}
        file = str(paths.write_json(certified_home / "split.json", parts))
        data = {"variant": PICTURES, "folds": None, "split_file": file}
        short_runs.run(short_runs.recipe(data=data, train={"epochs": 4}), out)
    return out


@pytest.fixture(scope="session")
def document(run, certified_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(certified_home))
        return certify(run, CertificateSettings(0.2, 0.2))
