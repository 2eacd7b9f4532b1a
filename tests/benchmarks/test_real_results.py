"""The plan of the real runs: every row can be asked for, and a page holds finished runs only."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import real_page, real_plan  # noqa: E402

from segkit.engine.training import crossval, request  # noqa: E402
from segkit.recipe import parse_set  # noqa: E402

ROWS = {f"{kind}: {row.name}": row for kind, plan in real_plan.PLANS.items() for row in plan()}


def flags(words):
    """The settings behind the words of a row, as `segkit train` would read them."""
    found, sets, rest = {"data": {}, "train": {}}, [], iter(shlex.split(words))
    for word in rest:
        value = next(rest)
        if word == "--size":
            found["data"]["size"] = [int(value)] * 2
        elif word == "--split":
            found["data"]["split"] = value
        elif word in ("--epochs", "--batch"):
            found["train"][word[2:]] = int(value)
        elif word == "--set":
            assert parse_set(value)
            sets.append(value)
        else:
            assert word in ("--seeds", "--amp", "--fold-jobs", "--save-minutes"), word
    return found, sets


@pytest.mark.parametrize("name", ROWS)
def test_every_row_resolves_to_a_recipe(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    row = ROWS[name]
    given, sets = flags(row.words)
    given["data"]["name"] = row.data
    recipe = request.resolve(row.network, row.recipe, given, sets).recipe
    assert recipe.train.freeze_epochs == 0
    assert ("equal" not in row.name) or recipe.train.select_on == "val"


def test_a_stopped_plan_has_compared_all_networks_first():
    first = real_plan.in_order(real_plan.on_cpu())[: len(real_plan.NETWORKS)]
    assert {row.network for row, seed in first} == set(real_plan.NETWORKS)
    assert {seed for row, seed in first} == {0}


def test_the_page_holds_what_is_finished_and_names_what_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    words = "--split 7:3 --size 16 --epochs 1"
    row = real_plan.Experiment("unet-equal", "unet", "demo", "quick", words, (0, 1), "everything")
    rows = [row, replace(row, name="unet-own", seeds=(0,))]
    given, _ = flags(words)
    given["data"]["name"] = "demo"
    for seed in row.seeds:
        given["train"]["seed"] = seed
        recipe = request.resolve("unet", "quick", given, ["model.width=4", "model.levels=2"]).recipe
        for _ in crossval.train(recipe, row.folder(tmp_path, seed)):
            pass
    page = real_page.page(rows, tmp_path, "cpu")
    line = next(line for line in page.splitlines() if line.startswith("| unet-equal |"))
    cells = [cell.strip() for cell in line.split("|")][1:-1]
    assert cells[1:4] == ["0, 1", "1", "val"]
    both = [real_page.open_run(row.folder(tmp_path, seed)).summary["metrics"] for seed in (0, 1)]
    mean = sum(one["dice_image"]["mean"] for one in both) / 2
    assert cells[4].startswith(f"{mean:.3f}<br>")
    assert "## Not run\n\nunet-own seed 0\n" in page
    assert "`segkit train unet --data demo --recipe quick --split 7:3 --size 16" in page
