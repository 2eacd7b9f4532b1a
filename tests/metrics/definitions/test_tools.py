"""Each tool's own code on the same pairs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from segkit.metrics.definitions import FIGURES, column, tools


def ours(pair, tool: str) -> dict[str, float]:
    found = tools.tool_columns(pair[0][None], pair[1][None])
    return {name: float(found[column(tool, name)][0]) for name in FIGURES[tool]}


def test_medpy(solid_pairs):
    from medpy.metric import binary

    for pair in solid_pairs[::2]:
        found = ours(pair, "medpy")
        assert found["hd95"] == pytest.approx(binary.hd95(*pair), abs=1e-12)
        assert found["assd"] == pytest.approx(binary.assd(*pair), abs=1e-12)


def test_monai(solid_pairs):
    metrics = pytest.importorskip("monai.metrics", reason="monai is no part of the test extra")
    import torch

    for pair in solid_pairs[::2]:
        p, t = (torch.from_numpy(mask)[None, None] for mask in pair)
        found = ours(pair, "monai")
        hd95 = metrics.compute_hausdorff_distance(p, t, include_background=True, percentile=95)
        assd = metrics.compute_average_surface_distance(
            p, t, include_background=True, symmetric=True
        )
        nsd = metrics.compute_surface_dice(p, t, [2.0], include_background=True)
        assert found["hd95"] == pytest.approx(float(hd95), rel=1e-5, abs=1e-5)
        assert found["assd"] == pytest.approx(float(assd), rel=1e-5, abs=1e-5)
        assert found["nsd"] == pytest.approx(float(nsd), abs=1e-6)


def test_surface_distance(solid_pairs, monkeypatch):
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)  # the package knows numpy 1 only
    peer = pytest.importorskip("surface_distance", reason="it is no part of the test extra")
    for prediction, truth in solid_pairs[::2]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            away = peer.compute_surface_distances(truth, prediction, (1.0, 1.0))
        found = ours((prediction, truth), "surface-distance")
        assert found["hd95"] == pytest.approx(peer.compute_robust_hausdorff(away, 95), abs=1e-9)
        assert found["assd"] == pytest.approx(np.mean(peer.compute_average_surface_distance(away)))
        nsd = peer.compute_surface_dice_at_tolerance(away, 2.0)
        assert found["nsd"] == pytest.approx(nsd, abs=1e-12)


def test_an_empty_mask_has_no_figure():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert all(np.isnan(value) for value in ours((empty, full), "monai").values())
