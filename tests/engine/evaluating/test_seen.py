"""Copies of training pictures in another set: what `data leaks` finds, `evaluate` must find."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lookalikes import jpeg, scene, stored

from segkit.data.copies import leaks
from segkit.engine.evaluating import seen

COPIES = {"same": scene(1), "saved again": jpeg(scene(2), 50), "turned": np.rot90(scene(3))}


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run's own set and another with three copies of training pictures and one of a test one."""
    own = stored("own", {f"a{k}": scene(k) for k in range(8)})
    pictures = {**COPIES, "of the test part": scene(7), "new": scene(50)}
    other = stored("other", {name: np.ascontiguousarray(p) for name, p in pictures.items()})
    fold = SimpleNamespace(train=("a0", "a1", "a2"), val=("a3", "a4"), test=("a5", "a6", "a7"))
    run: Any = SimpleNamespace(card={"name": "own"}, split=SimpleNamespace(folds=(fold,)))
    monkeypatch.setattr(seen, "find_prepared", lambda run: own)
    return run, own, other


def test_every_copy_of_a_training_picture_is_named(sets: Any) -> None:
    run, own, other = sets
    (found,) = leaks.across([own, other])
    assert {twin["other"] for twin in found["twins"]} == {*COPIES, "of the test part"}
    text = seen.warning(run, other, other.ids)
    assert text.startswith("3 of the 5 scored pictures of other show what")
    assert all(name in text for name in COPIES)
    assert "segkit data leaks own other" in text
    assert seen.warning(run, other, ["new", "of the test part"]) == ""


def test_what_cannot_be_searched_is_said(sets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, other = sets
    monkeypatch.setattr(seen, "find_prepared", lambda run: None)
    assert "were not looked for: own is not prepared here" in seen.warning(run, other, other.ids)
