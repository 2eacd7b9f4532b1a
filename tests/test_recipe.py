"""Recipes: precedence, strictness, dotted paths in every error."""

import json

import pytest

from segkit.errors import UsageError
from segkit.recipe import (
    Recipe,
    differing_keys,
    from_dict,
    merge,
    parse_set,
    read_settings,
    to_dict,
)


def test_a_recipe_survives_json():
    made = from_dict({"optim": {"lr": 1, "betas": [0.8, 0.9]}, "data": {"size": [192, 256]}})
    assert made.optim.lr == 1.0
    assert made.data.size == (192, 256)
    assert from_dict(json.loads(json.dumps(to_dict(made)))) == made


def test_tables_merge_key_by_key():
    merged = merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}, "b": 4})
    assert merged == {"a": {"x": 1, "y": 3}, "b": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr=3e-4", {"optim": {"lr": 3e-4}}),
        ("data.size=[64, 96]", {"data": {"size": [64, 96]}}),
        ("train.compile=true", {"train": {"compile": True}}),
        ("model.decoder=twoway", {"model": {"decoder": "twoway"}}),
        ("data.split=7:3", {"data": {"split": "7:3"}}),
    ],
)
def test_set_reads_toml_values_else_words(text, expected):
    assert parse_set(text) == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optim": {"lrr": 1}}, "did you mean 'optim.lr'"),
        ({"optim": {"lr": "fast"}}, "optim.lr is 'fast'"),
        ({"optim": {"lr": -1.0}}, "invalid settings in optim"),
        ({"optim": {"betas": [0.9]}}, "2 are expected"),
        ({"optim": {"name": "adamww"}}, "did you mean 'adamw'"),
        ({"train": {"epochs": 0}}, "epochs is 0"),
        ({"train": {"seed": -1}}, "seed is -1"),
        ({"train": {"save_minutes": 0.0}}, "save_minutes is 0.0"),
        ({"train": {"freeze": "encoder", "freeze_epochs": -1}}, "freeze_epochs is -1"),
        ({"optim": {"weight_decay": -0.1}}, "weight_decay is -0.1"),
        ({"optim": {"momentum": 1.0}}, "momentum is 1.0"),
        ({"optim": {"betas": [0.9, 1.0]}}, "betas are"),
        ({"data": {"split_seed": 2**40}}, "split_seed is"),
        ({"train": {"epochs": True}}, "int is expected"),
        ({"train": {"select": "dice"}}, "a sum of: loss, dice_image"),
        ({"train": {"freeze_epochs": 3}}, "freeze_epochs needs freeze"),
        ({"data": {"split": "7:3", "folds": 5}}, "exclude one another"),
        ({"data": {"folds": 1}}, "at least 2"),
        ({"schedule": {"every": 0}}, "every is 0"),
        ({"schedule": 5}, "schedule is 5"),
        ({"nonsense": {}}, "unknown setting 'nonsense'"),
    ],
)
def test_what_is_wrong_is_named(settings, words):
    with pytest.raises(UsageError, match=words.replace("'", ".")):
        from_dict(settings)


def test_sums_of_figures_select():
    assert from_dict({"train": {"select": "dice_image + iou_image"}}).train.select


def test_differing_keys_are_dotted():
    one, other = to_dict(Recipe()), to_dict(from_dict({"optim": {"lr": 0.5}, "model": {"k": 1}}))
    assert differing_keys(one, other) == ["model.k", "optim.lr"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_settings(tmp_path / "bad.toml")
    (tmp_path / "good.json").write_text('{"train": {"epochs": 3}}')
    assert read_settings(tmp_path / "good.json") == {"train": {"epochs": 3}}
