"""What an export knows of a run: its card, and validation pictures where the data are at hand."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.data.preparing.prepare import ensure_prepared
from segkit.data.store import open_prepared
from segkit.engine.exporting.export import export
from segkit.engine.exporting.subject import find_subject
from segkit.engine.runs import open_run
from segkit.errors import UsageError
from segkit.testing.runs import make_run, train_demo


@pytest.fixture(scope="module")
def folder(demo_home, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        data = {"data": {"split": None, "folds": 2}, "train": {"epochs": 1}}
        return train_demo(tmp_path_factory.mktemp("export-run") / "run", data, pictures=96)


@pytest.mark.parametrize("fold", [0, 1])
def test_the_pictures_are_the_folds_own_held_out_ones(home, folder, fold):
    run = open_run(folder)
    subject = find_subject(str(folder), fold=fold, count=3)
    prepared = open_prepared(ensure_prepared("demo", run.recipe.data))
    part = run.split.folds[fold]
    wanted = sorted(part.val or part.test)[:3]
    stored = {identifier: prepared.images[prepared.index(identifier)] for identifier in wanted}
    assert subject.images.shape == (3, 48, 48, 3)
    assert {item.tobytes() for item in subject.images} == {p.tobytes() for p in stored.values()}
    for image, mask in zip(subject.images, subject.masks, strict=True):
        row = next(i for i in wanted if np.array_equal(stored[i], image))
        np.testing.assert_array_equal(mask, prepared.masks[prepared.index(row)])


def test_the_gate_looks_at_them(home, folder, tmp_path):
    report = export(find_subject(str(folder)), "pt2", tmp_path)
    assert [case["name"] for case in report["cases"]][-1] == "validation pictures"
    truth = report["dice_with_truth"]
    assert truth["pictures"] == len(open_run(folder).split.folds[0].val)
    assert truth["network"] == pytest.approx(truth["file"], abs=1e-6)
    assert report["card"]["trained"] is True
    assert report["card"]["dataset"]
    assert (tmp_path / "run.pt2").is_file()


def test_without_the_data_there_are_none(home, tmp_path):
    run = make_run(tmp_path / "run")  # its dataset is not in any catalogue
    subject = find_subject(str(run.path))
    assert subject.images is None
    assert subject.masks is None
    assert subject.card["classes"] == ["background", "lesion"]


def test_settings_are_not_for_runs(tmp_path):
    run = make_run(tmp_path / "run")
    with pytest.raises(UsageError, match="does not apply to a run"):
        find_subject(str(run.path), settings={"width": 8})
