"""Rates against the traces that the papers' specifications print, and torch's own schedulers."""

import pytest
import torch

from segkit.engine.training.schedule import RateSchedule, rescaled
from segkit.recipe import from_dict


def rates(epochs, lr, **settings):
    made = from_dict({"optim": {"lr": lr}, "train": {"epochs": epochs}, "schedule": settings})
    schedule = RateSchedule(made)
    return [schedule.at(epoch, 1.0) for epoch in range(epochs)]


def test_qtseg_step_trace():
    trace = rates(350, 1e-3, name="step", every=50, factor=0.5, floor=1e-5)
    epochs = {1: 1e-3, 50: 1e-3, 51: 5e-4, 101: 2.5e-4, 201: 6.25e-5, 251: 3.125e-5}
    epochs |= {301: 1.5625e-5, 350: 1.5625e-5}
    for epoch, expected in epochs.items():
        assert trace[epoch - 1] == pytest.approx(expected)


def test_step_stops_at_its_floor():
    assert rates(10, 1e-3, name="step", every=1, factor=0.1, floor=1e-5)[-1] == 1e-5


def test_qtseg_late_poly_trace():
    trace = rates(350, 0.01, name="poly", power=0.9, delay=1)
    expected = {1: 0.01, 2: 0.01, 3: 0.00997428, 100: 0.00744045, 200: 0.00472061, 350: 9.5778e-5}
    for epoch, value in expected.items():
        assert trace[epoch - 1] == pytest.approx(value, rel=1e-5)


def test_a_poly_rate_may_fall_from_step_to_step():
    """base · (1 − it/its)^0.9 with 10 steps in each of 4 epochs."""
    settings = {"name": "poly", "power": 0.9, "per_step": True}
    made = from_dict({"optim": {"lr": 0.01}, "train": {"epochs": 4}, "schedule": settings})
    schedule = RateSchedule(made)
    for epoch, done in ((0, 1), (0, 10), (2, 5), (3, 9)):
        expected = 0.01 * (1 - (10 * epoch + done) / 40) ** 0.9
        assert schedule.at(epoch, done / 10) == pytest.approx(expected)
    assert schedule.at(1, 0.2) < schedule.at(1, 0.1)


def test_vmpanet_periodic_cosine():
    trace = rates(200, 1e-3, name="cosine", t_max=50, floor=1e-5)
    expected = {0: 1e-3, 1: 9.9902e-4, 10: 9.0546e-4, 25: 5.05e-4, 50: 1e-5, 75: 5.05e-4}
    expected |= {100: 1e-3, 150: 1e-5, 199: 9.9902e-4}
    for epoch, value in expected.items():
        assert trace[epoch] == pytest.approx(value, rel=1e-4)


def test_eamnet_restarts_are_torchs():
    trace = rates(100, 1e-3, name="cosine_restarts", t_max=10, t_mult=2, floor=1e-5)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=1e-3)
    peer = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10, 2, 1e-5)
    for epoch in range(100):
        assert trace[epoch] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        peer.step()
    assert trace[10] == trace[30] == trace[70] == 1e-3


def test_plateau_is_torchs():
    scores = [0.5, 0.6, 0.6, 0.60001, 0.59, 0.59, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    made = from_dict({"optim": {"lr": 0.1}, "schedule": {"name": "plateau", "patience": 1}})
    ours = RateSchedule(made)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=1)
    for epoch, score in enumerate(scores):
        assert ours.at(epoch, 1.0) == pytest.approx(optimizer.param_groups[0]["lr"])
        ours.observe(score)
        optimizer.step()
        peer.step(score)
    assert ours.at(12, 1.0) < 0.1


def test_plateau_goes_on_from_its_state():
    made = from_dict({"schedule": {"name": "plateau", "patience": 0}})
    one, other = RateSchedule(made), RateSchedule(made)
    for score in (0.5, 0.5):
        one.observe(score)
    other.load(one.state())
    assert other.at(2, 1.0) == one.at(2, 1.0) == pytest.approx(5e-4)


def test_warm_up_is_linear_in_steps():
    made = from_dict({"optim": {"lr": 1.0}, "schedule": {"name": "constant", "warmup": 2.0}})
    schedule = RateSchedule(made)
    assert [schedule.at(e, f) for e, f in [(0, 0.5), (0, 1.0), (1, 0.5), (1, 1.0), (5, 0.1)]] == [
        0.25,
        0.5,
        0.75,
        1.0,
        1.0,
    ]


def test_a_shorter_run_keeps_the_shape():
    step = from_dict({"schedule": {"name": "step", "every": 50, "warmup": 10.0}}).schedule
    changed, words = rescaled(step, 350, 35)
    assert changed == {"every": 5, "warmup": 1.0}
    assert words == ["schedule.every 50 → 5", "schedule.warmup 10.0 → 1"]
    assert rescaled(from_dict({}).schedule, 100, 10) == ({}, [])
