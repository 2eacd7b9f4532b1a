"""Studies: figures by hand, sentences that follow the figures, pages that hold them."""

import numpy as np
import pytest

from segkit import paths
from segkit.data.splitting.types import Fold, Split
from segkit.engine.studying import certified, claims, lottery, masks, pages, raters, twin
from segkit.errors import SegkitError


def test_bars_stand_at_their_values_and_published_ones_are_crosses():
    svg = pages.intervals(
        [pages.Bar("ours", 0.8, 0.7, 0.9), pages.Bar("a & b", 0.6, mark=True)], "t"
    )
    assert svg.count("<circle") == 1
    assert svg.count("#b9770e") == 2
    assert "a &amp; b" in svg


def test_the_cloud_narrows_with_the_root_of_the_test_pictures():
    generator = np.random.default_rng(0)
    table = generator.normal(0.8, 0.1, (1, 2000))
    small, large = (lottery.cloud(table, many, generator) for many in (50, 800))
    assert small["high"] - small["low"] == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(50), rel=0.1)
    ratio = (small["high"] - small["low"]) / (large["high"] - large["low"])
    assert ratio == pytest.approx(4, rel=0.12)


def test_seeds_widen_the_cloud():
    generator = np.random.default_rng(0)
    table = np.stack([np.full(50, 0.7), np.full(50, 0.8)])
    found = lottery.cloud(table, 20, generator)
    assert (found["low"], found["high"]) == (pytest.approx(0.7), pytest.approx(0.8))


def test_only_pictures_of_all_seeds_are_drawn():
    columns = {
        "id": np.array(["a", "b", "c", "b", "a"], dtype=object),
        "dice": np.array([0.1, 0.2, 0.9, 0.4, 0.3]),
        "seed": np.array(["0", "0", "0", "1", "1"], dtype=object),
    }
    np.testing.assert_allclose(lottery.by_seed(columns), [[0.1, 0.2], [0.3, 0.4]])


def square(begin, size=30):
    mask = np.zeros((60, 60), bool)
    mask[begin : begin + size, begin : begin + size] = True
    return mask


def test_the_raters_tolerance_is_the_distance_of_their_outlines():
    assert raters.rater_tolerance([(square(10), square(10))]) == 1.0  # never below a pixel
    moved = [(square(10), np.roll(square(10), 4, axis=1))]
    assert raters.rater_tolerance(moved) == pytest.approx(4.0)


def test_the_three_pairs_are_measured_each_for_itself():
    same, other = square(10), square(16)
    made = raters.measured([(same, same, other)] * 3, ["a", "b", "c"])
    dice = [pair["dice"]["mean"] for pair in made["pairs"]]
    assert dice == pytest.approx([1.0, 2 * 24 * 24 / 1800, 2 * 24 * 24 / 1800])
    said = raters.sentences({"model": "m", "data": "d", "n": 3, **made})
    assert "reaches the raters' own agreement" in said[1]


def test_a_set_without_a_second_rater_is_refused():
    with pytest.raises(SegkitError, match="no second rater"):
        raters.second_mask("isic2017", {"masks": ["a.png"]}, (4, 4))


def test_the_scan_stands_first_in_its_pairs():
    pair = {"a": "conv", "b": "scan", "difference": 0.02, "ci95": [0.01, 0.04], "p_holm": 0.01}
    turned = twin._against_scan({**pair, "detectable": 0.01})
    assert turned["other"] == "conv"
    assert turned["difference"] == -0.02
    assert turned["ci95"] == [-0.04, -0.01]


def test_an_unfinished_twin_says_the_command(tmp_path):
    with pytest.raises(SegkitError, match="'scan' has no scores"):
        twin.study(tmp_path)


def made_twin(p):
    pairs = [
        {
            "other": kind,
            "difference": -0.003,
            "ci95": [-0.006, 0.001],
            "p_holm": p,
            "detectable": 0.01,
        }
        for kind in ("conv", "identity")
    ]
    runs = [{"name": k, "architecture": k, "mean": 0.8, "ci95": [0.7, 0.9]} for k in twin.KINDS]
    facts = {"architecture": "net", "data": "set", "size": [8, 8], "epochs": 2, "seeds": 3, "n": 9}
    return {**facts, "runs": runs, "pairs": pairs, "seeds_sd": {"scan": 0.005, "conv": 0.001}}


@pytest.mark.parametrize(
    ("p", "said"), [(0.2, "no difference is shown"), (0.01, "shown for these")]
)
def test_the_verdict_follows_the_test_and_names_the_seeds(p, said, tmp_path):
    text = " ".join(twin.sentences(made_twin(p)))
    assert said in text
    assert "0.50 points" in text
    page = twin.write(made_twin(p), tmp_path / "twin.md", "segkit study twin x").read_text()
    assert "-0.30" in page
    assert (tmp_path / "twin.svg").is_file()
    assert "segkit study twin x" in page


def test_certificates_make_a_page(tmp_path):
    row = {"class": "c", "group": "all", "form": "per_picture", "side": "outer", "n": 9}
    margin = {"expectation": 1.0, "per_picture": None}
    document = {
        "format": 1, "alpha": 0.1, "delta": 0.1, "classes": ["b", "c"], "size": [8, 8],
        "resize": "stretch", "threshold": 0.5, "tta": "none", "weights": "x", "unit": "px",
        "model": "net", "data": "set", "pictures": {"fit": 9, "calibration": 9, "test": 9},
        "groups": {"names": [], "edges": []},
        "margins": [{**row, "enough": True, "outer": margin, "inner": margin}],
        "coverage": [{**row, "value": 0.93, "promised": 0.9, "ci95": [0.8, 0.99], "radius": None}],
        "shift": {"names": [], "centre": [], "spread": [], "calibration": []},
        "doubt": {"level": 0.9, "test_part": {"mean_error": 0.1, "covered": 0.9, "ci95": [0.8, 1]}},
        "risk_coverage": {"aurc": 0.1, "aurc_best": 0.05, "aurc_random": 0.2, "points": [[1, 0.2]]},
        "deferral": [
            {"share": 0.1, "before": 0.8, "after": 0.83, "gain": 0.03, "ci95": [0.01, 0.05]}
        ],
        "notes": [],
    }  # fmt: skip
    file = paths.write_json(tmp_path / "certificate.json", document)
    made = certified.study([file])
    assert "+3.00 points, 95 %: +1.00 to +5.00" in certified.sentences(made)[0]
    page = certified.write(made, tmp_path / "page.md", "").read_text()
    assert "93.0 %" in page
    assert "| none |" in page


def test_suspicion_is_what_the_network_expected_and_did_not_get():
    columns = {
        "id": np.array(["a", "b", "a"], dtype=object),
        "expected_dice": np.array([0.9, 0.95, 0.8]),
        "dice": np.array([0.8, 0.1, 0.7]),
    }
    found = masks.suspicion(columns)
    assert [row["id"] for row in found] == ["b", "a"]
    assert found[0]["suspicion"] == pytest.approx(0.85)
    assert found[1]["suspicion"] == pytest.approx(0.1)
    assert [row["id"] for row in masks.doubted(found)] == ["b"]
    unsure = {"id": "c", "expected_dice": 0.5, "dice": 0.0, "suspicion": 0.5}
    assert masks.doubted([unsure]) == []


def test_exclusions_leave_every_part_and_are_noted():
    fold = Fold(("a", "b"), ("c",), ("d", "e"))
    left = masks._left(Split("7:3", 0, (fold,), hash="old"), {"b", "e"})
    assert left.folds[0] == Fold(("a",), ("c",), ("d",))
    assert "without 2 pictures" in left.notes[-1]
    assert left.hash == ""


def test_published_rows_are_weighed_within_their_source(tmp_path):
    made = claims.study("dsb2018", 134)
    said = claims.sentences(made)
    assert "QTSeg" in said[0]
    page = claims.write(made, tmp_path / "claims.md", "segkit study claims").read_text()
    assert "2409.17763" in page
    assert (tmp_path / "claims-0.svg").is_file()
    with pytest.raises(SegkitError, match="no published Dice"):
        claims.study("demo", 10)
