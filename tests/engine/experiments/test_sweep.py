"""Grids, the shipped studies, and a sweep that goes on where it stopped."""

import csv
import json
import xml.etree.ElementTree as ElementTree

import pytest
from short_runs import recipe

from segkit import build
from segkit.engine.experiments import sweep as sweeping
from segkit.engine.experiments.studies import SweepPoint, from_grids, studies, study
from segkit.engine.experiments.sweep import plot, sweep
from segkit.engine.training.crossval import TrainingOptions
from segkit.errors import SegkitError, UsageError
from segkit.events import Done


def test_grids_multiply_in_order():
    points = from_grids(["model.width=4,8", "model.up=bilinear,transposed"])
    assert [p.label for p in points] == [
        "width=4, up=bilinear",
        "width=4, up=transposed",
        "width=8, up=bilinear",
        "width=8, up=transposed",
    ]
    assert points[1].assignments == ["model.width=4", 'model.up="transposed"']


def test_lists_are_one_value():
    points = from_grids(["model.dw_kernels=[3,3,3,3],[3,5,7,9]"])
    assert [p.settings["model.dw_kernels"] for p in points] == [[3, 3, 3, 3], [3, 5, 7, 9]]
    assert points[0].folder == "dw_kernels=3x3x3x3"


@pytest.mark.parametrize("text", ["model.width", "model.width=", "=3"])
def test_a_grid_that_is_none(text):
    with pytest.raises(UsageError):
        from_grids([text])


def test_a_grid_twice():
    with pytest.raises(UsageError, match="given twice"):
        from_grids(["a.b=1,2", "a.b=3"])


@pytest.mark.parametrize("name", studies())
def test_shipped_studies_fit_their_networks(name):
    """Every point is a valid setting, and no two are the same network."""
    found = study(name)
    configs = [
        build.resolve_recipe(found.architecture, None, point.assignments).model
        for point in found.points
    ]
    assert len({json.dumps(config) for config in configs}) == len(configs)
    assert found.source
    assert len({point.folder for point in found.points}) == len(found.points)


def test_qtseg_study_has_the_published_sizes():
    for point in study("qtseg_table3").points:
        settings = {key.removeprefix("model."): v for key, v in point.settings.items()}
        network = build.create("qtseg", **settings)
        millions = sum(p.numel() for p in network.parameters()) / 1e6
        assert round(millions, 2) == point.published["params_m"]


def test_unknown_study():
    with pytest.raises(UsageError, match="qtseg_table3"):
        study("qtseg_table")


def points(*widths):
    return [
        (
            SweepPoint(f"width={w}", {"model.width": w}),
            recipe(model={"width": w}, train={"epochs": 1}),
        )
        for w in widths
    ]


@pytest.fixture
def options():
    return TrainingOptions(device="cpu", folds=[0], score=False)


def test_a_sweep_trains_every_point_and_writes_table_and_plot(home, tmp_path, options):
    events = list(sweep(points(4, 8), tmp_path / "s", options))
    assert [e["label"] for e in events if e["event"] == "point"] == ["width=4", "width=8"]
    rows = list(csv.DictReader((tmp_path / "s" / "sweep.csv").read_text().splitlines()))
    assert [row["point"] for row in rows] == ["width=4", "width=8"]
    assert [row["state"] for row in rows] == ["trained", "trained"]
    assert int(rows[0]["params"]) < int(rows[1]["params"])
    ElementTree.parse(tmp_path / "s" / "sweep.svg")


def test_a_sweep_goes_on_and_repeats_nothing(home, tmp_path, options, monkeypatch):
    done = []

    def training(made, folder, own):
        done.append((folder.name, own.resume))
        (folder / "fold0").mkdir(parents=True)
        (folder / "recipe.json").write_text('{"architecture": "unet"}')
        (folder / "environment.json").write_text('{"plan": {"seeds": [0], "folds": [0]}}')
        if len(done) == 2:
            return  # stopped before its fold was finished
        (folder / "fold0" / "fold.json").write_text('{"parameters": 1}')
        summary = {"n": 3, "metrics": {"dice_image": {"mean": 0.5, "ci95": [0.4, 0.6]}}}
        (folder / "summary.json").write_text(json.dumps(summary))
        yield Done(str(folder), summary)

    monkeypatch.setattr(sweeping, "train", training)
    list(sweep(points(4, 8), tmp_path / "s", options))
    (tmp_path / "s" / "width=8" / "fold0").rmdir()
    with pytest.raises(UsageError, match="--resume"):
        list(sweep(points(4, 8), tmp_path / "s", options))
    resumed = TrainingOptions(**{**vars(options), "resume": True})
    monkeypatch.setattr(sweeping, "_done", lambda folder: folder.name == "width=4")
    list(sweep(points(4, 8), tmp_path / "s", resumed))
    assert done == [("width=4", False), ("width=8", False), ("width=8", True)]


def test_a_point_that_fails_does_not_end_the_others(home, tmp_path, options, monkeypatch):
    def training(made, folder, own):
        if "4" in folder.name:
            raise SegkitError("the loss is not finite", "first in module 'head'")
        yield Done(str(folder), None)

    monkeypatch.setattr(sweeping, "train", training)
    events = list(sweep(points(4, 8), tmp_path / "s", options))
    rows = events[-1]["rows"]
    assert [row["state"] for row in rows] == ["failed", "waiting"]
    assert rows[0]["reason"] == "first in module 'head'"


def test_the_plot_places_dots_by_value():
    rows = [
        {"point": "a <b>", "state": "done", "dice_image": 0.5, "ci_low": 0.4, "ci_high": 0.6},
        {"point": "c", "state": "done", "dice_image": 0.9, "ci_low": 0.8, "ci_high": 0.95},
        {"point": "d", "state": "waiting"},
    ]
    tree = ElementTree.fromstring(plot(rows, "dice_image"))
    dots = [float(dot.get("cx")) for dot in tree.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 2
    assert dots[0] < dots[1]
