"""Facts of drawn masks, and the metrics that they ask for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segkit.metrics.advising import facts, rules


def drawn(kind: str, many: int = 6) -> np.ndarray:
    """Masks (N, 128, 128) of one kind of structure."""
    rng = np.random.default_rng(3)
    masks = np.zeros((many, 128, 128), np.uint8)
    for mask in masks:
        if kind == "disc":
            cv2.circle(mask, (64, 64), int(rng.integers(25, 40)), 1, -1)
        elif kind == "discs":
            for x, y in np.ndindex(4, 4):
                cv2.circle(mask, (16 + 32 * x, 16 + 32 * y), int(rng.integers(1, 15)), 1, -1)
        elif kind == "tubes":
            for x in (20, 60, 100):
                cv2.line(mask, (x, 0), (x + int(rng.integers(-10, 10)), 127), 1, 3)
        elif kind == "specks":
            cv2.circle(mask, (64, 64), 2, 1, -1)
    return masks


def asked(kind: str, **more: bool) -> dict[str, list[str]]:
    found = facts.measure(drawn(kind), ("background", "it"))[0]
    roles: dict[str, list[str]] = {}
    for advice in rules.advise(found, **more):
        roles.setdefault(advice.role, []).append(advice.metric)
        assert advice.reason
    return roles


def test_facts_by_hand() -> None:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, 10:20, 10:20] = 1
    mask[0, 30, 5:25] = 1
    found = facts.measure(mask, ("background", "it"))[0]
    assert found.objects == 2
    assert found.rim == pytest.approx(1 - 2 * 64 / (64 + 120))
    assert found.sizes == pytest.approx((20 + 0.9 * 80) / (20 + 0.1 * 80))
    assert found.empty == 0.0
    assert (found.height, found.width) == (40, 40)


def test_one_disc_asks_for_dice_and_a_boundary() -> None:
    assert asked("disc")["overlap"] == ["dice_image"]
    assert asked("disc")["boundary"] == ["nsd"]
    assert asked("disc", exact=True)["boundary"] == ["hd95"]
    assert "beside" not in asked("disc")


def test_many_discs_are_objects() -> None:
    roles = asked("discs")
    assert roles["overlap"] == ["pq"]
    assert roles["beside"] == ["object_f1", "aji", "component_dice"]
    assert asked("discs", instances=False)["overlap"] == ["dice_image"]


def test_tubes_ask_for_their_centre_line() -> None:
    roles = asked("tubes")
    assert roles["overlap"] == ["cldice"]
    assert roles["beside"][:2] == ["betti_error", "auc_pr"]
    assert "dice_image" in roles["avoid"]


def test_specks_are_read_by_their_boundary() -> None:
    assert asked("specks", exact=True)["boundary"] == ["assd"]
    found = facts.measure(drawn("specks"), ("background", "it"))[0]
    assert "read the boundary first" in rules.advise(found)[0].reason


def test_empty_pictures_are_said_and_an_absent_class_breaks_nothing() -> None:
    masks = np.concatenate([drawn("disc"), np.zeros((2, 128, 128), np.uint8)])
    found, absent = facts.measure(masks, ("background", "it", "other"))
    assert found.empty == pytest.approx(0.25)
    assert "apart" in {advice.role for advice in rules.advise(found)}
    assert absent.empty == 1.0
