"""`certify` on a tiny run: what the file holds, what it refuses, what predict makes of it."""

import csv
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from segkit.cli import run as segkit
from segkit.data.geometry import geometry
from segkit.data.store import open_prepared
from segkit.engine import certificate
from segkit.engine.certifying import certify as certifying
from segkit.engine.certifying.certify import CertificateSettings, certify, save
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.runs import open_run
from segkit.errors import SegkitError, UsageError
from segkit.metrics.conformal import margins


@pytest.fixture
def certified(document, run, home):
    """The run with its certificate beside it."""
    yield save(document, run / certificate.FILE)
    (run / certificate.FILE).unlink()


def test_the_halves_share_no_picture_and_leave_the_test_part_alone(document, run):
    split = open_run(run).split.folds[0]
    fit, own = (set(document["ids"][name]) for name in ("fit", "calibration"))
    assert not fit & own
    assert fit | own <= set(split.val)
    assert document["pictures"]["test"] == len(split.test)


def test_margins_stand_for_every_class_group_and_form(document):
    rows = document["margins"]
    assert [row["group"] for row in rows] == ["all", "small", "middle", "large"]
    assert rows[0]["enough"]
    for side in margins.SIDES:
        assert set(rows[0][side]) == set(margins.FORMS)
    assert sum(row["n"] for row in rows[1:]) == rows[0]["n"]


def test_coverage_says_what_the_margins_do_on_the_test_part(document, run, home):
    """Worked out again from the masks, without the losses by radius."""
    row = next(
        row
        for row in document["coverage"]
        if (row["group"], row["form"], row["side"]) == ("all", "per_picture", "outer")
    )
    opened = open_run(run)
    prepared = open_prepared(opened.card["root"])
    segmenter, hits = load_segmenter(run), 0
    for name in opened.split.folds[0].test:
        mask = np.asarray(segmenter.masks(prepared.images[prepared.index(name)][None]))[0] != 0
        truth = np.asarray(prepared.masks[prepared.index(name)]) != 0
        radius = math.inf if row["radius"] is None else row["radius"]
        apart = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        grown = (apart <= radius + 1e-6) if mask.any() else np.full(mask.shape, math.isinf(radius))
        hits += (truth & ~grown).sum() <= 0.2 * truth.sum()
    assert row["value"] == pytest.approx(hits / row["n"])
    assert row["ci95"][0] <= row["value"] <= row["ci95"][1]


def test_too_few_pictures_are_refused_with_the_number_needed(run, home):
    with pytest.raises(SegkitError, match="need at least 99"):
        certify(run, CertificateSettings(0.01, 0.2))


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1])
def test_an_impossible_promise_is_refused(alpha):
    with pytest.raises(UsageError, match="alpha"):
        CertificateSettings(alpha=alpha)


def test_pictures_that_belong_together_count_once(run, home):
    evaluation = SimpleNamespace(groups={"a1": "a", "a2": "a", "b1": "b"})
    kept = certifying._singles(evaluation, ["a1", "a2", "b1", "c"], 0)
    assert len(kept) == 3
    assert {"b1", "c"} < set(kept)
    one, other = certifying._halves(evaluation, ["a1", "a2", "b1", "c"], 0.5, 1)
    assert {"a1", "a2"} <= set(one) or {"a1", "a2"} <= set(other)


def test_a_certificate_is_read_back_and_damage_is_named(document, tmp_path):
    file = save(document, tmp_path / "certificate.json")
    assert certificate.read(file).alpha == 0.2
    broken = json.loads(file.read_text())
    broken["margins"][0]["outer"] = {"expectation": "wide", "per_picture": 1}
    file.write_text(json.dumps(broken))
    with pytest.raises(SegkitError, match=r"outer\.expectation"):
        certificate.read(file)


def test_the_band_holds_the_mask_and_follows_the_picture_s_own_size(document):
    found = certificate.Certificate(document)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 1
    band = found.bands(mask, geometry((64, 128), (32, 32), "stretch"))[0]
    assert band.predicted.shape == (64, 128)
    assert not (band.inner & ~band.predicted).any()
    assert not (band.predicted & ~band.outer).any()
    small = found.bands(mask)[0]
    assert (small.predicted == (mask > 0)).all()


def test_an_infinite_margin_is_the_whole_picture_or_nothing(document):
    changed = json.loads(json.dumps(document))
    for row in changed["margins"]:
        row["outer"]["per_picture"] = row["inner"]["per_picture"] = None
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 1
    band = certificate.Certificate(changed).bands(mask, geometry((50, 40), (32, 32), "letterbox"))[
        0
    ]
    assert band.outer.all()
    assert not band.inner.any()


def test_it_does_not_stand_for_another_threshold_or_other_weights(document, run, home, tmp_path):
    found = certificate.Certificate(document)
    assert found.misfit(load_segmenter(run)) == ""
    assert "threshold" in found.misfit(load_segmenter(run, threshold=0.4))
    assert certificate.stale(found, run) == ""
    other = certificate.Certificate({**document, "weights": "0" * 16})
    assert "weights" in certificate.stale(other, run)


@pytest.fixture
def photos(run, home, tmp_path):
    """Twenty pictures of the test part as files, larger than the network."""
    opened = open_run(run)
    prepared = open_prepared(opened.card["root"])
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in opened.split.folds[0].test[:20]:
        image = prepared.images[prepared.index(name)]
        large = cv2.resize(np.asarray(image), (80, 64), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{name}.png"), large[..., ::-1])
    return folder


def rows_of(file):
    with open(file, newline="") as handle:
        return list(csv.DictReader(handle))


def test_predict_draws_the_band_of_a_certified_run(certified, run, photos, tmp_path):
    out = tmp_path / "out"
    assert segkit(["predict", str(run), str(photos), "--out", str(out)]) == 0
    rows = rows_of(out / "predictions.csv")
    assert len(rows) == 20
    for row in rows:
        assert int(row["area_low"]) <= int(row["area"]) <= int(row["area_high"])
        assert 0 < float(row["likeness"]) <= 1
    band = cv2.imread(str(next((out / "bands").glob("*.png"))), cv2.IMREAD_UNCHANGED)
    assert band.shape == (64, 80)
    assert set(np.unique(band)) <= {0, 85, 170, 255}
    assert (
        segkit(["predict", str(run), str(photos), "--out", str(tmp_path / "plain"), "--no-margins"])
        == 0
    )
    assert "area_low" not in rows_of(tmp_path / "plain" / "predictions.csv")[0]


def test_the_doubtful_share_is_set_aside_with_reasons(certified, run, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert segkit(["predict", str(run), str(photos), "--out", str(out), "--defer", "0.1"]) == 0
    rows = rows_of(out / "predictions.csv")
    aside = [row for row in rows if row["deferred"] == "1"]
    assert len(aside) == 2
    assert {row["file"] for row in rows_of(out / "deferred.csv")} == {row["file"] for row in aside}
    assert len(list((out / "masks").iterdir())) == 18
    assert len(list((out / "deferred" / "masks").iterdir())) == 2
    assert all((out / row["mask"]).is_file() for row in rows)
    worst = max(float(row["dice_estimate"]) for row in aside)
    assert worst <= min(float(r["dice_estimate"]) for r in rows if r["deferred"] == "0")
    assert all(
        float(r["dice_low"]) <= float(r["dice_estimate"]) <= float(r["dice_high"]) for r in rows
    )
    assert "2 set aside" in capsys.readouterr().out


def test_unlike_pictures_are_warned_of(certified, run, photos, tmp_path, capsys):
    for file in photos.iterdir():
        cv2.imwrite(str(file), 255 - cv2.imread(str(file)))
    assert segkit(["predict", str(run), str(photos), "--out", str(tmp_path / "out")]) == 0
    assert "unlike those of the calibration" in capsys.readouterr().err


def test_defer_without_a_certificate_names_the_command(run, photos, tmp_path, capsys):
    assert segkit(["predict", str(run), str(photos), "--out", str(tmp_path), "--defer", "0.1"]) == 2
    assert "segkit certify" in capsys.readouterr().err


def test_a_certificate_that_does_not_fit_is_said_and_not_drawn(
    certified, run, photos, tmp_path, capsys
):
    words = ["predict", str(run), str(photos), "--out", str(tmp_path / "out"), "--threshold", "0.3"]
    assert segkit(words) == 0
    assert "no margins are drawn" in capsys.readouterr().err
    assert segkit([*words, "--certificate", str(certified)]) == 2


def test_the_command_writes_into_the_run_and_says_the_coverage(run, home, capsys):
    assert segkit(["certify", str(run), "--alpha", "0.2", "--delta", "0.2"]) == 0
    shown = capsys.readouterr()
    assert "per picture" in shown.out
    assert "held on the test part" in shown.out
    assert (run / certificate.FILE).is_file()
    (run / certificate.FILE).unlink()


def test_a_trained_network_needs_a_place_for_its_certificate(capsys):
    assert segkit(["certify", "dermoscopy", "--data", "isic2017"]) == 2
    assert "--out" in capsys.readouterr().err


def test_wishes_can_be_changed_one_by_one():
    assert replace(CertificateSettings(), alpha=0.05).least == 19
