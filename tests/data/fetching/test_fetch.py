"""Whole fetches: nothing half-written is ever visible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import Host

from segkit import plugins
from segkit.api import Dataset
from segkit.data import sources
from segkit.data.fetching import fetch
from segkit.data.fetching.download import Network
from segkit.data.preparing.prepare import prepare
from segkit.errors import SegkitError

pytestmark = pytest.mark.network
QUICK = Network(pause=0.01, tries=3)


@pytest.fixture
def remote_busi(
    host: Host, home: Path, tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes | None], Dataset]:
    """BUSI as a dataset of the loopback server."""
    data = make.pack(tmp_path / "b.zip", make.busi_members(3, 2)).read_bytes()
    known = plugins.get("datasets", "busi")

    def serve(body: bytes | None = None, digest: bool = True) -> Dataset:
        host.files["/b.zip"] = data if body is None else body
        archive = replace(
            known.archives[0],
            urls=(host.address + "/b.zip",),
            hash=f"sha256:{hashlib.sha256(host.files['/b.zip']).hexdigest()}" if digest else None,
        )
        dataset: Dataset = replace(known, archives=(archive,))
        monkeypatch.setattr(sources, "dataset", lambda name: dataset)
        return dataset

    return serve


def visible(home: Path) -> list[str]:
    """Everything of the raw folder that is not an archive waiting for its rest."""
    raw = home / "raw" / "busi"
    found = (p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.startswith("archives/"))


def test_a_whole_fetch(host: Host, home: Path, remote_busi: Callable[..., Dataset]) -> None:
    dataset = remote_busi()
    host.cut["/b.zip"] = [0.4]
    outcome = fetch.fetch_remote(dataset, [], QUICK)
    assert outcome.missing == []
    assert {entry["vouched"] for entry in outcome.taken} == {"sha256"}
    assert len(visible(home)) == 11
    assert not (home / "raw" / "busi" / "archives").exists()
    assert prepare("busi", (32, 32)).is_dir()
    assert fetch.fetch_remote(dataset, [], QUICK).already


@pytest.mark.parametrize(
    "fault", ["truncated", "slip", "page", "checksum", "bomb", "nothing inside"]
)
def test_faults_leave_no_dataset_behind(
    host: Host,
    home: Path,
    tmp_path: Path,
    make: SimpleNamespace,
    remote_busi: Callable[..., Dataset],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    members = make.busi_members(2, 1)
    if fault == "slip":
        members["../../evil (1).png"] = b"x"
    if fault == "nothing inside":
        members = {"readme.txt": b"x"}
    body = make.pack(tmp_path / "x.zip", members).read_bytes()
    if fault == "truncated":
        body = body[: len(body) // 2]
    if fault == "page":
        body = b"<html>Sign in</html>"
    dataset = remote_busi(body, digest=False)
    if fault == "checksum":
        archive = replace(dataset.archives[0], hash="sha256:" + "1" * 64)
        dataset = replace(dataset, archives=(archive,))
    if fault == "bomb":
        monkeypatch.setattr("segkit.data.fetching.archives.MAX_RATIO", 0)
        monkeypatch.setattr("segkit.data.fetching.archives.unpack.__defaults__", ("", None, 100))
    with pytest.raises(SegkitError):
        fetch.fetch_remote(dataset, [], QUICK)
    assert sources.fetched() == []
    assert visible(home) == []
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_download_of_unknown_hash_is_not_in_the_way(
    host: Host, home: Path, remote_busi: Callable[..., Dataset]
) -> None:
    remote_busi()
    good = host.files["/b.zip"]
    dataset = remote_busi(good[: len(good) // 2], digest=False)
    with pytest.raises(SegkitError, match="thrown away: run the same command again"):
        fetch.fetch_remote(dataset, [], QUICK)
    dataset = remote_busi(good, digest=False)
    assert fetch.fetch_remote(dataset, [], QUICK).taken[0]["files"] == 10


def test_the_address_that_gave_the_file_is_recorded(
    host: Host, home: Path, remote_busi: Callable[..., Dataset]
) -> None:
    dataset = remote_busi()
    right = dataset.archives[0].urls[0]
    archive = replace(dataset.archives[0], urls=(host.address + "/gone", right))
    outcome = fetch.fetch_remote(replace(dataset, archives=(archive,)), [], QUICK)
    assert outcome.taken[0]["origin"] == right


def test_a_fault_leaves_the_older_copy_as_it_was(
    host: Host,
    home: Path,
    tmp_path: Path,
    make: SimpleNamespace,
    remote_busi: Callable[..., Dataset],
) -> None:
    dataset = remote_busi()
    fetch.fetch_remote(dataset, [], QUICK)
    before = visible(home)
    bad = make.pack(
        tmp_path / "Dataset_BUSI.zip", {**make.busi_members(1, 1), "../x (1).png": b"x"}
    )
    with pytest.raises(SegkitError, match="refused"):
        fetch.fetch_local(dataset, [bad], [], QUICK)
    assert visible(home) == before


def test_login_only_sets_show_one_screen(home: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        fetch.fetch_remote(plugins.get("datasets", "bkai"), [], QUICK)
    text = caught.value.as_text()
    assert "segkit data fetch bkai --from PATH" in text
    assert "https://www.kaggle.com/c/bkai-igh-neopolyp" in text
    assert "Accept the rules" in text
    assert "Expected file: bkai-igh-neopolyp.zip" in text


def test_a_full_disk_is_said_before_the_first_byte(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    with pytest.raises(SegkitError, match=r"24\.6 GB are needed"):
        fetch.check_disk(fetch.wanted_archives(plugins.get("datasets", "isic2018"), ["train"]))
