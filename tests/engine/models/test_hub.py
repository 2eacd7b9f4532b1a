"""Networks on a hub: pushed to and fetched from one that speaks its API on loopback."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hub_stand_in import Hub, Repository, standing

import segkit
from segkit.engine import hub, register
from segkit.engine.models.push import PushSettings, push
from segkit.errors import MissingExtra, SegkitError, UsageError

huggingface = pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.network
NAME = "dermoscopy-tiny"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and an empty cache of ours."""
    from huggingface_hub import constants

    hub._folder.cache_clear()
    with standing() as stand:
        for module in [m for n, m in sys.modules.items() if n.startswith("huggingface_hub")]:
            for name in ("ENDPOINT", "HF_ENDPOINT"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, stand.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        template = stand.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        make = huggingface.HfApi
        monkeypatch.setattr(huggingface, "HfApi", lambda: make(endpoint=stand.address))
        yield stand
    hub._folder.cache_clear()


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def test_there_and_back_gives_the_same_mask(there: Hub, picture: np.ndarray) -> None:
    made = push(NAME, "me/skin", PushSettings())
    assert made["pinned"] == f"hf://me/skin@{made['commit']}"
    files = there.repositories["me/skin"].commits[made["commit"]]
    assert set(made["files"]) == set(files)
    assert not any(name.endswith((".pt", ".pth", ".py", ".pkl")) for name in files)
    mask, probability = segkit.load("hf://me/skin")(picture)
    own, same = segkit.load(NAME)(picture)
    np.testing.assert_array_equal(mask, own)
    np.testing.assert_array_equal(probability, same)
    assert made["commit"] in str(register.place("hf://me/skin"))  # what is recorded is pinned


def test_card_and_results_are_in_the_hubs_form(there: Hub) -> None:
    made = push(NAME, "me/skin", PushSettings())
    files = there.repositories["me/skin"].commits[made["commit"]]
    head = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert head["library_name"] == "segkit"
    assert head["pipeline_tag"] == "image-segmentation"
    assert "segkit predict hf://me/skin photo.jpg" in files["README.md"].decode()
    rows = yaml.safe_load(files[".eval_results/isic2017.yaml"])
    entries = huggingface.parse_eval_result_entries(rows)
    scores = json.loads(files["model.json"])["scores"]
    assert {entry.task_id for entry in entries} >= {"dice_image", "iou_image"}
    assert entries[0].value == pytest.approx(scores[entries[0].task_id]["mean"], abs=1e-6)


def test_a_commit_that_is_here_is_asked_of_nobody(there: Hub) -> None:
    pinned = push(NAME, "me/skin", PushSettings())["pinned"]
    first = hub.folder(pinned)
    hub._folder.cache_clear()
    there.asked.clear()
    assert hub.folder(pinned) == first
    assert there.asked == []
    hub.folder("hf://me/skin")  # a branch may have moved: one question, no file again
    assert [line for line in there.asked if "resolve" in line] == []


def test_another_revision_is_another_network(there: Hub) -> None:
    old = push(NAME, "me/skin", PushSettings())["commit"]
    new = push("vessels", "me/skin", PushSettings(message="other"))["commit"]
    assert hub.check(hub.folder(f"hf://me/skin@{old}"), "old")["name"] == NAME
    assert hub.check(hub.folder(f"hf://me/skin@{new}"), "new")["name"] == "vessels"
    branch = push(NAME, "me/skin", PushSettings())["commit"]
    assert branch in str(hub.folder("hf:/me/skin@main"))  # one slash: as a path has it


def spoil(repository: Repository, name: str, data: bytes | None) -> None:
    files = dict(repository.commits[repository.branches["main"]])
    files.pop(name) if data is None else files.update({name: data})
    repository.commits["f" * 40] = files
    repository.branches["main"] = "f" * 40


def evil(files: dict[str, bytes]) -> bytes:
    facts = json.loads(files["model.json"])
    return json.dumps({**facts, "files": {"../../escaped.json": "0" * 64}}).encode()


@pytest.mark.parametrize(
    ("address", "change", "said"),
    [
        ("hf://me/nope", None, "there is no such repository"),
        ("hf://me/skin@v9", None, "it has no such revision"),
        ("hf://me/skin", "gated", "conditions on the hub"),
        ("hf://me/skin", "damaged", "is damaged: nothing was loaded"),
        ("hf://me/skin", "missing", "is damaged: nothing was loaded"),
        ("hf://me/skin", "other", "is no network of segkit"),
        ("hf://me/skin", "escape", "is no network of segkit"),
        ("hf://me", None, "is no address"),
    ],
)
def test_what_is_wrong_is_one_line(there: Hub, address: str, change: str, said: str) -> None:
    push(NAME, "me/skin", PushSettings())
    repository = there.repositories["me/skin"]
    files = repository.commits[repository.branches["main"]]
    changes: dict[str | None, Callable[[], None]] = {
        "gated": lambda: setattr(repository, "gated", True),
        "damaged": lambda: spoil(repository, "fold0/best.safetensors", b"other bytes"),
        "missing": lambda: spoil(repository, "recipe.json", None),
        "other": lambda: spoil(repository, "model.json", None),
        "escape": lambda: spoil(repository, "model.json", evil(files)),
    }
    changes.get(change, lambda: None)()
    with pytest.raises(SegkitError) as error:
        segkit.load(address)
    assert said in error.value.as_text()
    assert len(error.value.as_text().splitlines()) <= 2


def test_without_a_network_what_is_here_works(there: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    push(NAME, "me/skin", PushSettings())
    first = hub.folder("hf://me/skin")
    hub._folder.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.folder("hf://me/skin") == first
    with pytest.raises(SegkitError, match="cannot be reached or used"):
        hub.folder("hf://me/other")


def test_a_hub_that_does_not_answer(there: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    make = type(huggingface.HfApi())
    monkeypatch.setattr(huggingface, "HfApi", lambda: make(endpoint="http://127.0.0.1:9"))
    with pytest.raises(SegkitError, match="Is there a network"):
        hub.folder("hf://me/skin")


def test_a_folder_like_the_repository(tmp_path: Path, picture: np.ndarray) -> None:
    made = push(NAME, "me/skin", PushSettings(to=tmp_path / "skin"))
    assert "commit" not in made
    own, _ = segkit.load(NAME)(picture)
    for place in (tmp_path / "skin", tmp_path / "skin" / register.GRAPH):
        np.testing.assert_array_equal(segkit.load(place)(picture)[0], own)
    again = push(tmp_path / "skin", "me/skin", PushSettings(to=tmp_path / "again"))
    assert again["files"] == made["files"]
    with pytest.raises(SegkitError, match="not empty"):
        push(NAME, "me/skin", PushSettings(to=tmp_path / "skin"))


def test_what_push_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = register.place(NAME)
    run = tmp_path / "run"
    shutil.copytree(packed, run)
    (run / "model.json").unlink()
    with pytest.raises(UsageError, match="licence"):
        push(run, "me/skin", PushSettings(to=tmp_path / "out"))
    with pytest.raises(UsageError, match="--branch"):
        push(NAME, "me/skin@main", PushSettings(to=tmp_path / "out"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match="hub"):
        push(NAME, "me/skin", PushSettings())
