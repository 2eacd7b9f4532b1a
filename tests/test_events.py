"""The news of a training: what a value says is what `--json` prints."""

import dataclasses
import json
import pickle

import pytest
from tests.support import short_runs

from segkit import events

KINDS = [
    value
    for value in vars(events).values()
    if isinstance(value, type) and issubclass(value, events.Event) and value.kind
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_frozen_crosses_processes_and_reads_like_its_json(kind):
    values = {field.name: None for field in dataclasses.fields(kind)}
    if issubclass(kind, events.Documented):
        values["facts"] = {"card": "x"}
    made = kind(**values)
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert next(iter(made.document())) == "event"
    assert all(made[key] == value for key, value in made.document().items())
    assert made.get("no such key", 7) == 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.text = "changed"


def test_a_training_speaks_in_these_kinds_only(tmp_path):
    recipe = short_runs.recipe(data={"folds": None, "split": "7:3"})
    heard = short_runs.run(recipe, tmp_path / "run")
    assert all(type(event) in KINDS for event in heard)
    assert [type(event) for event in heard if isinstance(event, events.Started | events.Done)] == [
        events.Started,
        events.Done,
    ]
    for event in heard:
        json.dumps(event.document())
