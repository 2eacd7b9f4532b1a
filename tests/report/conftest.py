"""Three small runs on the built-in pictures, trained and scored once for all tests here."""

import pytest
import torch

from segkit.testing.runs import train_demo


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory):
    return tmp_path_factory.mktemp("report-home")


@pytest.fixture(autouse=True)
def _home(demo_home, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(demo_home))


@pytest.fixture(scope="session")
def runs(demo_home, tmp_path_factory):
    """wide and narrow differ in width; peeked chose its checkpoint on the test part."""
    folder = tmp_path_factory.mktemp("runs")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        found = {
            "wide": train_demo(folder / "wide", {"model": {"width": 8}}),
            "narrow": train_demo(folder / "narrow"),
            "peeked": train_demo(folder / "peeked", {"train": {"select_on": "test", "seed": 1}}),
        }
    torch.set_num_threads(threads)
    return found


@pytest.fixture(scope="session")
def certificate_file(runs, demo_home, tmp_path_factory):
    """A copy of the wide run, certified on other built-in pictures: its own parts are small."""
    import shutil

    from segkit.engine.certifying.certify import CertificateSettings, certify, save

    folder = tmp_path_factory.mktemp("certified") / "wide"
    shutil.copytree(runs["wide"], folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        return save(
            certify(folder, CertificateSettings(0.3, 0.3, data="demo-polyp")),
            folder / "certificate.json",
        )
