"""Whole trainings on the built-in set: files, learning, seeds, options."""

import dataclasses
import json

import pytest
from short_runs import outcome, recipe, run

from segkit.engine.runs import open_run
from segkit.engine.training.checkpoint import load_last
from segkit.engine.training.crossval import fit_classes
from segkit.errors import SegkitError, UsageError
from segkit.recipe import LossRecipe


def test_a_run_leaves_exactly_these_files(home, tmp_path):
    events = run(recipe(), tmp_path / "r")
    files = {str(p.relative_to(tmp_path / "r")) for p in (tmp_path / "r").rglob("*") if p.is_file()}
    per_fold = {
        "metrics.csv",
        "last.pt",
        "best.safetensors",
        "fold.json",
        "samples.png",
        "curves.svg",
    }
    top = {"recipe.json", "environment.json", "data.json", "split.json"}
    assert files == top | {f"fold{i}/{name}" for i in (0, 1) for name in per_fold}
    assert [e["event"] for e in events if e["event"] not in ("step", "note")] == [
        "start",
        *["fold", "epoch", "epoch", "fold_done"] * 2,
        "done",
    ]


def test_epoch_events_carry_the_documented_keys(home, tmp_path):
    events = run(recipe(), tmp_path / "r", folds=[0])
    epoch = next(e for e in events if e["event"] == "epoch")
    assert {"fold", "epoch", "loss", "lr", "val", "seconds", "images_per_s"} <= set(
        epoch.document()
    )
    assert {"loss", "dice_image", "iou_image", "dice_pooled", "iou_pooled"} <= set(epoch["val"])
    assert events[-1]["event"] == "done"
    json.dumps([event.document() for event in events])


def test_the_network_learns(home, tmp_path):
    made = recipe(train={"epochs": 25}, data={"folds": None, "split": "7:3"})
    run(made, tmp_path / "r")
    history = open_run(tmp_path / "r").folds[0].history()
    assert history[-1]["loss"] < 0.75 * history[0]["loss"]
    assert history[-1]["val_dice_image"] > 0.5


def test_the_same_seed_gives_the_same_weights_and_another_does_not(home, tmp_path):
    strong = {"augment": "strong"}
    run(recipe(data=strong), tmp_path / "a", folds=[0])
    run(recipe(data=strong), tmp_path / "b", folds=[0], workers=0)
    run(recipe(data=strong, train={"seed": 1}), tmp_path / "c", folds=[0])
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
    assert outcome(tmp_path / "a") != outcome(tmp_path / "c")


def test_seeds_have_folders_of_their_own(home, tmp_path):
    run(recipe(train={"epochs": 1}), tmp_path / "r", seeds=2, folds=[1])
    folds = open_run(tmp_path / "r").folds
    assert [(f.seed, f.index, f.finished) for f in folds] == [(0, 1, True), (1, 1, True)]
    assert folds[0].best.read_bytes() != folds[1].best.read_bytes()


def test_load_model_gives_the_best_weights(home, tmp_path):
    import torch
    from safetensors.torch import load_file

    run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])
    kept = open_run(tmp_path / "r")
    network = kept.load_model(0)
    assert not network.training
    for name, value in load_file(kept.folds[0].best).items():
        assert torch.equal(network.state_dict()[name], value)


def test_early_stopping_ends_a_fold(home, tmp_path):
    made = recipe(train={"epochs": 30, "early_stop": 2}, optim={"lr": 1e-12})
    events = run(made, tmp_path / "r", folds=[0])
    done = next(e for e in events if e["event"] == "fold_done")
    assert done["stopped_early"]
    assert done["epochs"] < 30


def test_accumulation_steps_after_each_group_of_batches(home, tmp_path):
    """11 pictures in batches of 2 (a last single one joins) are 5: steps after 2, 4 and 5."""
    made = recipe(optim={"accumulate": 2}, train={"batch": 2, "epochs": 1})
    events = run(made, tmp_path / "r", folds=[0])
    assert max(e["step"] for e in events if e["event"] == "step") == 5
    state = load_last(tmp_path / "r" / "fold0" / "last.pt")["optimizer"]["state"]
    assert {int(values["step"]) for values in state.values()} == {3}


def test_selection_on_the_test_part_is_kept_in_the_run(home, tmp_path):
    made = recipe(train={"epochs": 1, "select_on": "test"})
    events = run(made, tmp_path / "r", folds=[0])
    assert events[-1]["event"] == "done"
    assert next(e for e in events if e["event"] == "start")["selection"] == "test"
    assert open_run(tmp_path / "r").selection == "test"
    fold = next(e for e in events if e["event"] == "fold")
    assert fold["val"] == 12


@pytest.mark.parametrize(
    "over",
    [
        {"optim": {"name": "sgd", "nesterov": True, "momentum": 0.99}},
        {"optim": {"name": "adam", "decay": "all", "clip": 0.5, "ema": 0.9}},
        {"train": {"amp": "bf16", "channels_last": True}},
        {"loss": {"name": "bce", "extra": [{"name": "dice", "weight": 0.5}], "smooth_border": 1}},
        {"loss": {"class_weights": [0.5, 2.0]}},
        {"schedule": {"name": "plateau", "patience": 1}},
        {"train": {"freeze": "encoder", "freeze_epochs": 1, "freeze_mode": "full"}},
        {"model": {"num_classes": 2}},
        {"data": {"colour": "ycrcb", "normalise": "minmax_signed", "augment": "qtseg"}},
    ],
    ids=lambda over: next(iter(over)) + "-" + "-".join(next(iter(over.values()))),
)
def test_recipes_train(home, tmp_path, over):
    train = {"epochs": 1, **over.get("train", {})}
    events = run(recipe(**{**over, "train": train}), tmp_path / "r", folds=[0])
    epoch = next(e for e in events if e["event"] == "epoch")
    assert 0 < epoch["loss"] < 5


def test_a_frozen_part_that_is_not_there_is_named(home, tmp_path):
    with pytest.raises(UsageError, match="no such part; there are"):
        run(recipe(train={"freeze": "brain", "freeze_epochs": 1}), tmp_path / "r")


def test_an_existing_run_is_not_overwritten(home, tmp_path):
    run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])
    with pytest.raises(UsageError, match="--resume"):
        run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])


def test_a_missing_fold_is_refused(home, tmp_path):
    with pytest.raises(UsageError, match="folds 0 to 1"):
        run(recipe(), tmp_path / "r", folds=[5])


class Prepared:
    name = "x"

    def __init__(self, classes):
        self.classes = classes


def test_the_network_gets_as_many_logits_as_there_are_classes():
    said = []
    plain = dataclasses.replace(recipe_without_data(), model={"num_classes": 1})
    assert fit_classes(plain, Prepared("ab"), said.append).model["num_classes"] == 1
    assert fit_classes(plain, Prepared("abc"), said.append).model["num_classes"] == 3
    assert "3 logits" in said[0]
    four = dataclasses.replace(plain, model={"num_classes": 4})
    with pytest.raises(UsageError, match="has 3 classes"):
        fit_classes(four, Prepared("abc"))
    weighted = dataclasses.replace(plain, loss=LossRecipe(class_weights=(1.0,)))
    with pytest.raises(UsageError, match="class_weights has 1 items"):
        fit_classes(weighted, Prepared("ab"))


def recipe_without_data():
    from segkit.recipe import Recipe

    return Recipe()


def test_unwritable_folder_is_one_line(home, tmp_path, monkeypatch):
    from segkit import paths

    def refuse(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths.tempfile, "mkstemp", refuse)
    with pytest.raises(SegkitError, match="Free some space"):
        run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])
