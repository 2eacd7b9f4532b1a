"""Columns of cases, what cases are like, and slices."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.metrics import cases, distances, slices


def test_columns_of_a_batch() -> None:
    prediction, truth = np.zeros((2, 2, 12, 14), np.uint8)
    prediction[0, 2:6, 2:6] = truth[0, 2:6, 3:7] = 1
    probability = prediction * 0.8 + 0.1
    found = cases.measure(prediction, truth, probability.astype(np.float32))
    assert found["tp"].tolist() == [12, 0]
    assert found["empty"].tolist() == ["", "both"]
    assert found["dice"].tolist() == [0.75, 1.0]
    assert found["hd95"].tolist() == [1.0, 0.0]
    assert found["area_truth"].tolist() == [16, 0]
    np.testing.assert_allclose(found["confidence"], [0.9, 0.9], rtol=1e-6)
    assert "histogram" not in found
    assert "cldice" not in found


def test_extras_are_asked_for() -> None:
    mask = np.zeros((1, 9, 20), np.uint8)
    mask[0, 4, 2:18] = 1
    found = cases.measure(mask, mask, wanted=cases.Wanted(extras=("cldice", "objects")))
    assert [found[n][0] for n in ("cldice", "object_f1", "object_map")] == [1.0, 1.0, 1.0]


def test_each_class_under_its_own_name() -> None:
    truth, prediction = np.zeros((1, 6, 6), np.uint8), np.zeros((1, 6, 6), np.uint8)
    truth[0, 0], truth[0, 1] = 1, 2
    prediction[0, 0], prediction[0, 1, :3] = 1, 1
    wanted = cases.Wanted(classes=("background", "old polyp", "new_polyp"))
    found = cases.measure(prediction, truth, wanted=wanted)
    assert found["dice"][0] == pytest.approx(2 * 9 / (9 + 12))  # foreground as one
    assert found["dice_old-polyp"][0] == pytest.approx(12 / 15)
    assert found["dice_new-polyp"][0] == 0.0
    assert found["fn_new-polyp"][0] == 6


def test_joining_keeps_every_column() -> None:
    mask = np.ones((2, 5, 5), np.uint8)
    one = cases.measure(mask, mask)
    both = cases.join([one, one])
    assert {name: len(values) for name, values in both.items()} == dict.fromkeys(one, 4)
    assert cases.join([]) == {}


@pytest.mark.parametrize(
    ("p", "t", "state"),
    [(True, True, ""), (False, False, "both"), (False, True, "pred_only"),
     (True, False, "truth_only")],
)  # fmt: skip
def test_empty_states_name_the_empty_mask(p: bool, t: bool, state: str) -> None:
    assert distances.empty_state(p, t) == state


def test_features_by_hand() -> None:
    truth = np.zeros((3, 40, 40), bool)
    truth[0, 10:20, 10:20] = True
    truth[1, 0:5, 0:5] = truth[1, 20:25, 20:25] = True
    images = np.zeros((3, 40, 40, 3), np.uint8)
    images[0, 10:20, 10:20] = 51
    found = slices.features(truth, images)
    assert found["share"].tolist() == [100 / 1600, 50 / 1600, 0.0]
    assert found["border"].tolist() == [0.0, 1.0, 0.0]
    assert found["parts"].tolist() == [1.0, 2.0, 0.0]
    assert found["contrast"][0] == pytest.approx(0.2)
    assert np.isnan(found["compactness"][2])
    assert 0.7 < found["compactness"][0] <= 1.0


def test_slices_and_worst_cases() -> None:
    many = 30
    columns = {
        "id": np.array([f"c{i}" for i in range(many)], dtype=object),
        "dice": np.linspace(0.1, 1.0, many),
        "iou": np.linspace(0.05, 1.0, many),
        "hd95": np.linspace(30.0, 0.0, many),
        "share": np.linspace(0.0, 0.3, many),
        "border": np.arange(many) % 2.0,
        "parts": np.ones(many),
    }
    rows = slices.by_slice(columns)
    assert [row["n"] for row in rows if row["feature"] == "share"] == [8, 7, 7, 8]
    by_name = {(row["feature"], row["slice"].split(" (")[0]): row for row in rows}
    assert by_name["share", "smallest quarter"]["dice_image"] == pytest.approx(
        columns["dice"][:8].mean()
    )
    assert by_name["border", "inside"]["n"] == 15
    toned = {**columns, "ita": np.array([60.0] * 10 + [20.0] * 5 + [np.nan] * 15)}
    tones = [row for row in slices.by_slice(toned) if row["feature"] == "ita"]
    assert [(row["slice"], row["n"]) for row in tones] == [("very light skin", 10), ("tan skin", 5)]
    assert [row["id"] for row in slices.worst(columns, many=3)] == ["c0", "c1", "c2"]
