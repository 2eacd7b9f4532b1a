"""From the command line to a recipe: which part chooses the checkpoint, which protocol is named."""

from __future__ import annotations

from typing import Any

import pytest

from segkit.data.splitting.protocols import followed
from segkit.engine.training.request import resolve
from segkit.errors import UsageError


def asked(data: dict[str, Any], *assignments: str, recipe: str = "paper", **train: Any) -> Any:
    flags = {"data": {"name": "demo", **data}, "train": train}
    return resolve("qtseg", recipe, flags, assignments)


def test_the_papers_protocol_chooses_the_papers_way() -> None:
    made = asked({})
    assert made.recipe.train.select_on == "test"
    assert followed(made.recipe.data, "test") == "qtseg"
    assert not any("not followed" in note for note in made.notes)


@pytest.mark.parametrize(
    ("data", "assignments"),
    [
        ({"split": "7:3"}, ()),
        ({"folds": 5}, ()),
        ({"split_file": "mine.json"}, ()),
        ({}, ("data.split='7:3'",)),
    ],
)
def test_a_plain_split_is_chosen_on_its_validation_part(
    data: dict[str, Any], assignments: tuple[str, ...]
) -> None:
    made = asked(data, *assignments)
    assert made.recipe.train.select_on == "val"
    assert followed(made.recipe.data, "val") == ""
    (note,) = [note for note in made.notes if "protocol qtseg is not followed" in note]
    assert "validation part chooses" in note


def test_what_is_asked_for_is_done() -> None:
    made = asked({"split": "7:3"}, select_on="test")
    assert made.recipe.train.select_on == "test"
    assert asked({"split": "7:3"}, "train.select_on='test'").recipe.train.select_on == "test"
    assert asked({"split": "7:3"}, recipe="quick").recipe.train.select_on == "val"


def bkai(*assignments: str, **data: Any) -> Any:
    flags = {"data": {"name": "bkai", "split": "7:3", **data}}
    return resolve("qtseg", "paper", flags, assignments).recipe


def test_the_options_of_a_dataset_join_its_variant() -> None:
    assert bkai(options={"classes": "three"}).data.variant == "original+classes=three"
    both = bkai(variant="original+mask_rule=rgb", options={"classes": "three"})
    assert both.data.variant == "original+classes=three+mask_rule=rgb"
    assert bkai().data.variant == "original"


def test_an_unknown_option_is_refused_with_those_that_work() -> None:
    with pytest.raises(UsageError, match="clases") as refused:
        bkai(options={"clases": "three"})
    assert "classes" in refused.value.as_text()
    with pytest.raises(UsageError) as refused:
        bkai("data.variant='original+classes=3'")
    assert "binary, three" in refused.value.as_text()
    with pytest.raises(UsageError) as refused:  # three classes taken as one foreground are two
        bkai("model.num_classes=1")
    assert "needs 2 logits" in refused.value.as_text()


def test_a_protocol_at_another_size_is_not_the_protocol() -> None:
    made = asked({"size": [128, 128]})
    assert made.recipe.data.protocol == "qtseg"
    assert followed(made.recipe.data, "test") == ""
    assert followed(asked({}).recipe.data, "val") == ""
