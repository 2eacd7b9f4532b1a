"""The contracts of metrics, optimizers, schedules, augmentations, protocols and report columns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from segkit import plugins
from segkit.api import (
    Augmentation,
    EvaluationProtocol,
    Metric,
    Optimizer,
    ReportColumn,
    Schedule,
    SplitRule,
    resolve,
)
from segkit.recipe import OptimRecipe, ScheduleRecipe
from segkit.testing.checks import Outcome, expect, run_checks

UNITS = ("", "px", "parts")  # a share of 1, a length, a count
KINDS = ("official", "counts", "ratio", "slices", "cyclic", "all-test")


def _value(group: str, given: Any) -> Any:
    return plugins.get(group, given) if isinstance(given, str) else given


# --- metrics ---


def check_metric(metric: str | Metric) -> Iterator[Outcome]:
    """All checks of one metric; a built-in one is worked out with the others and has fewer."""
    value: Metric = _value("metrics", metric)
    checks: list[tuple[str, Callable[[], None]]] = [
        ("its words are there", lambda: expect(bool(value.title and value.meaning), "none")),
        ("its unit is known", lambda: expect(value.unit in UNITS, f"unit is {value.unit!r}")),
    ]
    if value.make is not None:
        function = resolve(value.make)()
        checks += [
            ("it is a number on any masks", lambda: _numbers(function)),
            ("a better prediction scores better", lambda: _better(function, value.higher)),
            ("it changes no mask", lambda: _leaves(function)),
        ]
    return run_checks(value.name, checks)


def _masks() -> list[np.ndarray]:
    """A square, the same moved, nothing, everything."""
    square = np.zeros((17, 23), dtype=bool)
    square[4:12, 6:16] = True
    return [square, np.roll(square, 3, 1), np.zeros_like(square), np.ones_like(square)]


def _numbers(function: Any) -> None:
    for one in _masks():
        for other in _masks():
            expect(np.ndim(function(one, other)) == 0, "it gives no single number")
            expect(not np.isinf(float(function(one, other))), "it is infinite on some masks")


def _better(function: Any, higher: bool) -> None:
    truth, moved, *_ = _masks()
    right, wrong = float(function(truth, truth)), float(function(moved, truth))
    expect(right > wrong if higher else right < wrong, f"{right} when right, {wrong} when moved")


def _leaves(function: Any) -> None:
    one, other, *_ = _masks()
    before = one.copy(), other.copy()
    function(one, other)
    expect(np.array_equal(before[0], one) and np.array_equal(before[1], other), "it changed one")


# --- optimizers and schedules ---


def check_optimizer(optimizer: str | Optimizer) -> Iterator[Outcome]:
    """It lowers a simple loss, takes rates from outside, and resumes to the bit."""
    value: Optimizer = _value("optimizers", optimizer)
    return run_checks(
        value.name,
        [
            ("it lowers a simple loss", lambda: _lowers(value)),
            ("a rate of zero changes nothing", lambda: _holds_still(value)),
            ("it resumes from its state to the bit", lambda: _resumes(value)),
        ],
    )


def _trained(value: Optimizer, steps: int, rate: float = 0.05, stop: int = 0) -> nn.Linear:
    """A linear map after some steps; with `stop`, by way of a saved state."""
    torch.manual_seed(0)
    network, inputs = nn.Linear(4, 1), torch.randn(64, 4)
    target = inputs.sum(1, keepdim=True)
    optimizer = _fresh(value, network, rate)
    for step in range(steps):
        if stop and step == stop:
            kept = optimizer.state_dict()
            optimizer = _fresh(value, network, rate)
            optimizer.load_state_dict(kept)
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs), target).backward()
        optimizer.step()
    return network


def _fresh(value: Optimizer, network: nn.Module, rate: float) -> torch.optim.Optimizer:
    groups = [{"params": list(network.parameters()), "weight_decay": 0.0}]
    settings = OptimRecipe(name=value.name, lr=rate)
    made: torch.optim.Optimizer = resolve(value.make)(groups, settings)
    return made


def _loss(network: nn.Linear) -> float:
    torch.manual_seed(1)
    inputs = torch.randn(64, 4)
    return nn.functional.mse_loss(network(inputs), inputs.sum(1, keepdim=True)).item()


def _lowers(value: Optimizer) -> None:
    before, after = _loss(_trained(value, 0)), _loss(_trained(value, 100))
    expect(after < before, f"the loss went from {before:.4f} to {after:.4f} in 100 steps")


def _holds_still(value: Optimizer) -> None:
    before, after = _trained(value, 0, 0.05), _trained(value, 3, 1e-30)
    expect(torch.allclose(before.weight, after.weight, atol=1e-12), "the weights moved")


def _resumes(value: Optimizer) -> None:
    plain, resumed = _trained(value, 6), _trained(value, 6, stop=3)
    expect(torch.equal(plain.weight, resumed.weight), "other weights after loading its state")


def check_schedule(schedule: str | Schedule) -> Iterator[Outcome]:
    """Rates are finite and not negative, and a function of the epoch alone."""
    value: Schedule = _value("schedules", schedule)
    return run_checks(
        value.name,
        [
            ("every rate is a number, not below 0", lambda: _sane_rates(value)),
            ("an epoch has one rate, whatever came before", lambda: _closed_form(value)),
        ],
    )


def _rates(value: Schedule, epochs: int) -> list[float]:
    rate, settings = resolve(value.rate), ScheduleRecipe(name=value.name)
    return [float(rate(settings, 0.01, epochs, epoch)) for epoch in range(epochs)]


def _sane_rates(value: Schedule) -> None:
    for epochs in (1, 2, 7, 300):
        found = _rates(value, epochs)
        bad = [rate for rate in found if not math.isfinite(rate) or rate < 0]
        expect(not bad, f"{bad[:1]} within {epochs} epochs")


def _closed_form(value: Schedule) -> None:
    rate, settings = resolve(value.rate), ScheduleRecipe(name=value.name)
    backwards = [float(rate(settings, 0.01, 30, epoch)) for epoch in reversed(range(30))]
    expect(backwards[::-1] == _rates(value, 30), "asked in another order, it gives other rates")


# --- augmentations, protocols, columns ---


def check_augmentation(augmentation: str | Augmentation) -> Iterator[Outcome]:
    """A policy draws the same for the same sample, keeps shapes and labels."""
    from segkit.data.augmenting.policy import Policy

    value: Augmentation = _value("augmentations", augmentation)
    policy = resolve(value.make)()
    return run_checks(
        value.name,
        [
            ("it makes a policy of its name", lambda: expect(
                isinstance(policy, Policy) and policy.name == value.name, f"it makes {policy!r}")),
            ("a sample repeats to the bit", lambda: _repeats(policy)),
            ("shapes and labels stay", lambda: _keeps_labels(policy)),
        ],
    )  # fmt: skip


def _augmented(policy: Any, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    from segkit.data.augmenting import cpu
    from segkit.data.augmenting.policy import generator

    image = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    mask = (image[..., 0] > 128).astype(np.uint8) * 2
    plan = policy.draw(generator(0, epoch, "sample"), 33, 47)
    return cpu.apply(plan, image, mask)


def _repeats(policy: Any) -> None:
    for epoch in range(5):
        (one, mask), (again, same) = _augmented(policy, epoch), _augmented(policy, epoch)
        expect(np.array_equal(one, again) and np.array_equal(mask, same), "two draws differ")


def _keeps_labels(policy: Any) -> None:
    for epoch in range(20):
        image, mask = _augmented(policy, epoch)
        expect(image.shape == (33, 47, 3) and image.dtype == np.uint8, "the picture changed shape")
        expect(set(np.unique(mask)) <= {0, 2}, "a label appeared that was not there")


def check_protocol(protocol: str | EvaluationProtocol) -> Iterator[Outcome]:
    """Its rules are of a known kind and add up, and it says where it comes from."""
    value: EvaluationProtocol = _value("protocols", protocol)
    rules = [*value.rules.values(), *([value.default] if value.default else [])]
    return run_checks(
        value.name,
        [
            ("it says what and from where", lambda: _sourced(value)),
            ("it has a rule", lambda: expect(bool(rules), "neither for a dataset nor by default")),
            ("its rules can be carried out", lambda: _all_known(rules)),
            ("it is plain data", lambda: expect(bool(json.dumps(value.to_json())), "it is not")),
        ],
    )  # fmt: skip


def _sourced(value: EvaluationProtocol) -> None:
    expect(bool(value.summary and value.source), "summary or source is empty")


def _all_known(rules: list[SplitRule]) -> None:
    for rule in rules:
        expect(rule.kind in KINDS, f"there is no rule {rule.kind!r}")
        expect(rule.kind not in ("counts", "ratio") or len(rule.numbers) in (2, 3), "no parts")
        expect(rule.kind not in ("slices", "cyclic") or rule.folds > 1, "one fold only")


def check_column(column: str | ReportColumn) -> Iterator[Outcome]:
    """Its value is a number or None, for a run with scores and for one without."""
    value: ReportColumn = _value("columns", column)
    function = resolve(value.value)
    scored = {"metrics": {"dice_image": {"mean": 0.9, "ci95": [0.8, 0.95]}}, "n": 10}
    runs = [
        {"recipe": {}, "summary": summary, "environment": {}, "cost": cost}
        for summary, cost in (({}, {}), (scored, {"params": 1000, "macs": 10**6}))
    ]
    return run_checks(
        value.name,
        [
            ("its words are there", lambda: expect(bool(value.title and value.meaning), "none")),
            (
                "it is a number or nothing",
                lambda: _numbers_or_nothing(function, runs),
            ),
        ],
    )


def _numbers_or_nothing(function: Any, runs: list[dict[str, Any]]) -> None:
    for found in map(function, runs):
        expect(found is None or isinstance(found, int | float), f"it gives {found!r}")
