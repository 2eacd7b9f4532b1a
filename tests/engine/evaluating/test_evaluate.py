"""Scoring a run: documents, files, parts, rows, tuning."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segkit import paths
from segkit.data.store import open_prepared
from segkit.engine.evaluating.cases_csv import FIXED, read_cases, read_run_cases
from segkit.engine.evaluating.evaluate import evaluate_run
from segkit.engine.runs import Run, open_run
from segkit.errors import SegkitError, UsageError
from segkit.metrics.confusion import counts
from segkit.metrics.surface import hd95
from segkit.testing.runs import train_demo

FAST = {"resamples": 200, "device": "cpu"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home, a run of one split and a cross-validated run that was selected on its test part."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(home))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        one = train_demo(home / "runs" / "one")
        folds = {"data": {"split": None, "folds": 3}, "train": {"select_on": "test", "epochs": 1}}
        many = train_demo(home / "runs" / "many", folds)
        yield open_run(one), open_run(many)
        torch.set_num_threads(threads)


def test_the_document_has_the_promised_keys(trained: tuple[Run, Run]) -> None:
    made = evaluate_run(trained[0], **FAST)
    for key in ("run", "data", "split", "n", "selection", "metrics", "empty", "protocols"):
        assert key in made
    assert (made["data"], made["split"], made["selection"]) == ("demo", "test", "val")
    assert made["n"] == len(trained[0].split.folds[0].test)
    assert set(made["empty"]) == {"both", "pred_only", "truth_only"}
    for name in ("dice", "iou", "acc", "sen", "spe", "pre"):
        for aggregation in ("image", "pooled"):
            entry = made["metrics"][f"{name}_{aggregation}"]
            assert set(entry) >= {"mean", "ci95", "sd"}
            assert entry["ci95"][0] <= entry["mean"] <= entry["ci95"][1]
    for name in ("mae", "hd", "hd95", "assd", "nsd", "boundary_iou", "ece", "brier"):
        assert made["metrics"][name]["mean"] is not None
    json.dumps(made)


def test_scores_are_those_of_the_masks(trained: tuple[Run, Run]) -> None:
    """Predicted and measured again, by hand, without the evaluation's own road."""
    run = trained[0]
    made = evaluate_run(run, **FAST)
    prepared = open_prepared(run.card["root"])
    network = run.load_model(0)
    dice, distances = [], []
    for name in run.split.folds[0].test:
        row = prepared.index(name)
        image = torch.from_numpy(np.array(prepared.images[row])).permute(2, 0, 1)[None] / 255.0
        with torch.no_grad():
            mask = network(image).sigmoid()[0, 0].numpy() > 0.5
        truth = np.array(prepared.masks[row]) > 0
        dice.append(float(counts(mask, truth).dice()[0]))
        distances.append(hd95(mask, truth, engine="python"))
    assert made["metrics"]["dice_image"]["mean"] == pytest.approx(np.mean(dice), abs=1e-9)
    assert made["metrics"]["hd95"]["mean"] == pytest.approx(np.mean(distances), abs=1e-9)


def test_cases_and_summary_are_written(trained: tuple[Run, Run]) -> None:
    run = trained[0]
    made = evaluate_run(run, **FAST)
    with open(run.folds[0].cases_csv, newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0])[: len(FIXED)] == FIXED
    assert {row["id"] for row in rows} == set(run.split.folds[0].test)
    assert {row["selection"] for row in rows} == {"val"}
    columns = read_cases(run.folds[0].cases_csv)
    mean = float(np.mean(columns["dice"]))
    assert mean == pytest.approx(made["metrics"]["dice_image"]["mean"], abs=1e-9)
    assert (columns["tp"] + columns["fp"] + columns["fn"] + columns["tn"] == 48 * 48).all()
    assert run.summary == json.loads(json.dumps(made))


def test_a_run_selected_on_the_test_part_says_so_everywhere(trained: tuple[Run, Run]) -> None:
    run = trained[1]
    made = evaluate_run(run, **FAST)
    assert made["selection"] == "test"
    assert any("selection: test" in note for note in made["notes"])
    for fold in run.folds:
        assert set(read_cases(fold.cases_csv)["selection"]) == {"test"}
    assert paths.read_json(run.path / "summary.json")["selection"] == "test"


def test_folds_are_pooled_and_shown_apart(trained: tuple[Run, Run]) -> None:
    run = trained[1]
    made = evaluate_run(run, **FAST)
    assert [row["fold"] for row in made["folds"]] == [0, 1, 2]
    assert made["n"] == made["cases"] == 24
    assert made["metrics"]["dice_image"]["folds_sd"] == pytest.approx(
        np.std([row["dice_image"] for row in made["folds"]], ddof=1)
    )
    assert made["trainings"] == {"unit": "fold", "trainings": 3}
    low, high = made["metrics"]["dice_image"]["ci95_trainings"]
    assert 0 <= low < made["metrics"]["dice_image"]["mean"] < high <= 1
    assert made["metrics"]["hd95"]["ci95_trainings"][1] > 1
    everything = read_run_cases(run.folds)
    total = {name: everything[name].sum() for name in ("tp", "fp", "fn")}
    pooled = 2 * total["tp"] / (2 * total["tp"] + total["fp"] + total["fn"])
    assert made["metrics"]["dice_pooled"]["mean"] == pytest.approx(pooled)


def test_every_convention_at_once(trained: tuple[Run, Run]) -> None:
    found = evaluate_run(trained[0], protocol="all", save=False, **FAST)["protocols"]
    assert all("metrics" in row for name, row in found.items() if name != "spread")
    segkit, pooled = found["segkit"]["metrics"], found["vmpanet"]["metrics"]
    assert found["original"]["metrics"]["dice"] == pytest.approx(segkit["dice"])  # drawn at size
    assert pooled["dice"] == pytest.approx(2 * pooled["iou"] / (1 + pooled["iou"]))
    assert found["spread"]["dice"]["points"] > 0
    only = evaluate_run(trained[0], protocol="qtseg", save=False, **FAST)["protocols"]
    assert list(only) == ["qtseg"]
    with pytest.raises(UsageError, match="qtseg"):
        evaluate_run(trained[0], protocol="qtsge", **FAST)


def test_another_dataset_is_scored_whole_and_kept_apart(trained: tuple[Run, Run]) -> None:
    run = trained[1]
    before = run.summary
    made = evaluate_run(run, data="demo-polyp", ensemble=True, tta="flips", **FAST)
    assert (made["data"], made["trained_on"], made["split"]) == ("demo-polyp", "demo", "all")
    assert made["n"] == 160
    assert made["cases"] == 3 * 160
    assert made["interval"]["units"] == 160  # a picture under three folds is one unit
    assert [row["name"] for row in made["rows"]] == ["tta-flips", "ensemble"]
    assert made["rows"][1]["metrics"]["dice_image"]["mean"] is not None
    folder = run.path / "evaluations"
    assert {file.name for file in folder.iterdir()} == {"demo-polyp.json", "demo-polyp-cases.csv"}
    assert run.summary == before


def test_seeds_share_their_pictures(tmp_path: Path, trained: tuple[Run, Run]) -> None:
    """Two seeds on one split: each picture twice, one unit; their ensemble is honest."""
    from segkit.engine.training.crossval import TrainingOptions, train

    recipe = trained[0].recipe
    short = replace(recipe, train=replace(recipe.train, epochs=1))
    list(train(short, tmp_path / "run", TrainingOptions(seeds=2, device="cpu", score=False)))
    run = open_run(tmp_path / "run")
    made = evaluate_run(run, ensemble=True, **FAST)
    assert (made["n"], made["cases"], made["interval"]["units"]) == (12, 24, 12)
    assert [row["seed"] for row in made["folds"]] == ["0", "1"]
    assert made["rows"][0]["name"] == "ensemble"
    assert [len(read_cases(fold.cases_csv)["id"]) for fold in run.folds] == [12, 12]


def test_copies_and_patients_are_one_unit(three_classes: Run) -> None:
    root = Path(three_classes.card["root"])
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["items"][0]["group"] = manifest["items"][1]["group"] = "patient"
    manifest["duplicates"] = [{"one": "p3", "other": "p4", "kind": "near"}]
    (root / "manifest.json").write_text(json.dumps(manifest))
    made = evaluate_run(three_classes, **FAST)
    assert (made["interval"]["unit"], made["interval"]["units"], made["n"]) == ("group", 4, 6)
    groups = list(read_cases(three_classes.folds[0].cases_csv)["group"])
    assert groups[0] == groups[1]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 4


def test_an_ensemble_of_folds_is_refused_on_its_own_set(trained: tuple[Run, Run]) -> None:
    with pytest.raises(UsageError, match="own cross-validation set"):
        evaluate_run(trained[1], ensemble=True, save=False, **FAST)
    with pytest.raises(UsageError, match="several folds"):
        evaluate_run(trained[0], ensemble=True, save=False, **FAST)


def test_at_original_has_its_own_files(trained: tuple[Run, Run]) -> None:
    run = trained[0]
    made = evaluate_run(run, at="original", **FAST)
    plain = evaluate_run(run, **FAST)
    assert made["at"] == "original"
    assert made["metrics"]["dice_image"] == plain["metrics"]["dice_image"]  # drawn at this size
    assert (run.path / "evaluations" / "original.json").is_file()
    lens = evaluate_run(run, at="original", protocol="all", save=False, **FAST)["protocols"]
    assert lens["original"]["metrics"]["dice"] == pytest.approx(
        made["metrics"]["dice_image"]["mean"]
    )
    assert "leave --at original out" in lens["qtseg"]["missing"]


def test_tuning_looks_at_the_validation_part_only(
    trained: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained[0]
    (row,) = evaluate_run(run, tune=True, save=False, **FAST)["tuned"]
    assert row["chosen_on"] == "val"
    assert row["n_val"] == len(run.split.folds[0].val)
    curve = dict(map(tuple, row["threshold"]["curve"]))
    assert row["threshold"]["val_dice_image"] >= max(curve.values())
    best = max(row["post_processing"]["val_dice_image"].values())
    chosen = row["post_processing"]["chosen"]
    assert row["post_processing"]["val_dice_image"][chosen] == best
    # whatever the test part holds, the choice stays
    fold = run.split.folds[0]
    swapped = replace(run.split, folds=(replace(fold, test=fold.train),))
    monkeypatch.setattr(type(run), "split", swapped, raising=False)
    (again,) = evaluate_run(Run(run.path), tune=True, save=False, **FAST)["tuned"]
    assert again["threshold"]["chosen"] == row["threshold"]["chosen"]
    assert again["post_processing"]["chosen"] == chosen


def test_largest_part_and_holes() -> None:
    from segkit.engine.evaluating.tune import fill_holes, largest_part

    mask = np.zeros((9, 9), bool)
    mask[0:5, 0:5], mask[2, 2], mask[7, 7] = True, False, True
    assert largest_part(mask).sum() == 24
    filled = fill_holes(mask)
    assert filled[2, 2]
    assert filled.sum() == 26
    empty = np.zeros((3, 3), bool)
    assert not largest_part(empty).any()
    assert not fill_holes(empty).any()
    assert fill_holes(~empty).all()


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"at": "half"}, "--at"),
        ({"tta": "many"}, "--tta"),
        ({"split": "all"}, "trained on"),
        ({"engine": "fast"}, "--engine"),
        ({"data": "demoo"}, "demo"),
        ({"extras": ("cldyce",)}, "cldice"),
        ({"tolerance": -1.0}, "not below 0"),
        ({"ensemble": True}, "several folds"),
        ({"tune": True, "split": "val"}, "reports on its test part"),
        ({"protocol": "nope"}, "scoring|protocol"),
    ],
)
def test_wrong_settings_are_refused(
    trained: tuple[Run, Run], settings: dict[str, Any], part: str, monkeypatch
) -> None:
    monkeypatch.setattr("segkit.engine.evaluating.evaluate.measure_part", None)  # before any work
    with pytest.raises(UsageError, match=part) as refused:
        evaluate_run(trained[0], **{**FAST, **settings})
    words = str(refused.value).split("known: ")[-1].split(", ")
    assert len(set(words)) == len(words)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SegkitError, match="not a run"):
        evaluate_run(tmp_path)


@pytest.fixture
def three_classes(tmp_path: Path) -> Run:
    """A run of three classes on a letterboxed set with pictures that are not square."""
    from segkit.data.splitting.splits import Fold, Split, save_split
    from segkit.testing.runs import make_run

    generator = np.random.default_rng(0)
    root = tmp_path / "set"
    root.mkdir()
    masks = np.zeros((6, 32, 32), np.uint8)
    for i in range(6):
        masks[i, 2:12, 2 + i : 14 + i], masks[i, 12:20, 5:12] = 1, 2 * (i % 2)
    images = generator.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    np.save(root / "masks.npy", masks)
    np.save(root / "images.npy", images)
    np.save(root / "thumbnails.npy", images[..., 0])
    items = [
        {
            "id": f"p{i}",
            "group": None,
            "part": "all",
            "cls": None,
            "height": 48,
            "width": 64,
            "sha256_image": str(i),
        }
        for i in range(6)
    ]
    manifest = {
        "format": 1, "name": "polyps", "title": "", "size": [32, 32], "resize": "letterbox",
        "classes": ["background", "old", "new"], "options": {}, "items": items, "hash": "x",
    }  # fmt: skip
    (root / "manifest.json").write_text(json.dumps(manifest))
    settings = {
        "model": {"num_classes": 3, "width": 4, "levels": 2},
        "data": {"size": [32, 32], "resize": "letterbox", "name": "polyps"},
    }
    card = {"name": "polyps", "classes": manifest["classes"], "root": str(root), "hash": "x"}
    run = make_run(tmp_path / "run", settings, card)
    ids = tuple(item["id"] for item in items)
    save_split(Split("7:3", 0, (Fold((), ids[:2], ids),)), run.path / "split.json")
    return Run(run.path)


def test_each_class_is_scored(three_classes: Run) -> None:
    made = evaluate_run(three_classes, **FAST)
    assert set(made["classes"]) == {"old", "new", "mean"}
    columns = read_cases(three_classes.folds[0].cases_csv)
    for name in ("old", "new"):
        entry = made["classes"][name]
        assert entry["dice_image"]["mean"] == pytest.approx(columns[f"dice_{name}"].mean())
        total = [columns[f"{kind}_{name}"].sum() for kind in ("tp", "fp", "fn")]
        pooled = 2 * total[0] / max(2 * total[0] + total[1] + total[2], 1)
        assert entry["dice_pooled"]["mean"] == pytest.approx(pooled)
        has = columns[f"tp_{name}"] + columns[f"fn_{name}"] > 0
        assert entry["pictures"] == has.sum()
        assert entry["dice_present"]["mean"] == pytest.approx(columns[f"dice_{name}"][has].mean())
    both = (columns["dice_old"] + columns["dice_new"]) / 2
    assert made["classes"]["mean"]["dice_image"]["mean"] == pytest.approx(both.mean())


def test_a_class_that_no_picture_has_is_counted_apart(three_classes: Run) -> None:
    """Empty in truth and prediction it would be 1 everywhere, and lift the mean of the classes."""
    root = Path(three_classes.card["root"])
    masks = np.load(root / "masks.npy")
    np.save(root / "masks.npy", np.where(masks == 2, 0, masks).astype(np.uint8))
    made = evaluate_run(three_classes, **FAST)["classes"]
    assert set(made["new"]) == {"pictures", "predicted"}
    assert made["new"]["pictures"] == 0
    assert made["old"]["pictures"] == 6
    assert made["mean"]["dice_image"]["mean"] == pytest.approx(made["old"]["dice_image"]["mean"])


def test_the_table_of_classes_is_in_the_text(three_classes: Run, capsys) -> None:
    from segkit.cli import run as segkit

    assert segkit(["evaluate", str(three_classes.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("class\t"))
    assert [line.split("\t")[0] for line in lines[head + 1 : head + 4]] == ["old", "new", "mean"]
    assert lines[head + 2].split("\t")[1] == "3"  # pictures that have it
    root = Path(three_classes.card["root"])
    np.save(root / "masks.npy", np.minimum(np.load(root / "masks.npy"), 1))
    assert segkit(["evaluate", str(three_classes.path)]) == 0
    assert "No picture has 'new'" in capsys.readouterr().out


def test_other_classes_are_scored_as_foreground(
    three_classes: Run, trained: tuple[Run, Run]
) -> None:
    made = evaluate_run(trained[0], data=three_classes.card["root"], save=False, **FAST)
    assert made["data"] == "polyps"
    assert made["classes"] == {}
    assert any("2 classes, polyps has 3" in note for note in made["notes"])


def test_padding_is_scored_on_the_canvas_only(three_classes: Run) -> None:
    """48x64 pictures fill 24 of 32 rows; what is predicted below them counts on QTSeg's canvas."""
    made = evaluate_run(three_classes, protocol="qtseg", **FAST)
    columns = read_cases(three_classes.folds[0].cases_csv)
    sizes = columns["tp"] + columns["fp"] + columns["fn"] + columns["tn"]
    assert set(sizes) == {24 * 32}
    prepared = open_prepared(three_classes.card["root"])
    network = three_classes.load_model(0)
    images = torch.from_numpy(np.array(prepared.images)).permute(0, 3, 1, 2) / 255.0
    with torch.no_grad():
        masks = network(images).argmax(1).numpy() > 0
    truth = np.array(prepared.masks) > 0
    assert columns["fp"].sum() == (masks & ~truth)[:, :24].sum()
    whole = counts(masks, truth)
    tp = np.maximum(whole.tp, 1)
    dice = 2 * tp / (2 * tp + whole.fp + whole.fn)
    found = made["protocols"]["qtseg"]["metrics"]
    assert found["dice"] == pytest.approx(dice.mean())


def test_padding_adds_true_background(trained: tuple[Run, Run]) -> None:
    """A stretched 2:1 picture has half of a square canvas as free true negatives."""
    from segkit.engine.evaluating.cases import _on_canvas

    prepared = open_prepared(trained[0].card["root"])
    wide = replace_items(prepared, height=50, width=100)
    masks = np.stack([prepared.masks[0] > 0] * 2)[:, :, :].astype(np.uint8)
    found = _on_canvas(wide, [0], masks[:1], np.zeros_like(masks[:1]))
    side = prepared.size[0]
    total = sum(int(found[f"canvas_{name}"][0]) for name in ("tp", "fp", "fn", "tn"))
    assert total == side * side
    assert int(found["canvas_fp"][0]) == pytest.approx(masks[0].sum() / 2, rel=0.1)


def replace_items(prepared: Any, **facts: Any) -> Any:
    """The prepared set with other facts in its items."""
    manifest = {**prepared.manifest, "items": [{**item, **facts} for item in prepared.items]}
    return type(prepared)(prepared.root, manifest)
