"""A step waits for nothing: no number is read from the device while batches are trained."""

import json

import pytest
import torch
from short_runs import recipe, run
from torch.utils._python_dispatch import TorchDispatchMode

from segkit.engine.training import account, loop
from segkit.engine.training.account import Account
from segkit.errors import SegkitError

WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "_to_copy_to_host")


class Waits(TorchDispatchMode):
    """Counts the operations that make the host wait for its device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name in WAITS:
            self.found.append(name)
        return operation(*args, **(kwargs or {}))


def counted(monkeypatch, home, tmp_path, **over):
    """What the steps of the second epoch wait for, the first step aside."""
    monkeypatch.setattr(account, "PAUSE", 1e9)
    mode, steps = Waits(), {}
    epoch_of = loop.FoldTraining.tick

    def tick(self, epoch, batch):
        steps[epoch, batch.index] = len(mode.found)
        return epoch_of(self, epoch, batch)

    monkeypatch.setattr(loop.FoldTraining, "tick", tick)
    settings = {"train": {"epochs": 2, "batch": 2}, "data": {"folds": None, "split": "7:3"}} | over
    with mode:
        run(recipe(**settings), tmp_path / "run", workers=0)
    last = max(index for _, index in steps)
    assert last >= 4
    return steps[1, last] - steps[1, 0]


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"optim": {"lr": 0.01, "clip": 1.0, "ema": 0.9, "accumulate": 2}},
        {"optim": {"name": "sgd", "lr": 0.01}, "loss": {"name": "focal"}},
        {"loss": {"smooth_border": 2}, "optim": {"lr": 0.01}},
    ],
    ids=["plain", "clip-ema-accumulate", "sgd-focal", "smooth-border"],
)
def test_no_step_waits_for_the_device(home, tmp_path, monkeypatch, over):
    assert counted(monkeypatch, home, tmp_path, **over) == 0


def test_a_planted_read_is_counted(home, tmp_path, monkeypatch):
    plain = Account.add

    def reading(self, loss, batch):
        plain(self, loss, batch)
        loss.item()

    monkeypatch.setattr(Account, "add", reading)
    assert counted(monkeypatch, home, tmp_path) >= 4


@pytest.mark.parametrize("resumed", [False, True], ids=["first-epoch", "later"])
def test_the_batch_that_broke_is_named_although_nobody_waited(home, tmp_path, monkeypatch, resumed):
    """Nothing is read before the epoch ends; the batch and its pictures are found all the same."""
    monkeypatch.setattr(account, "PAUSE", 1e9)
    settings = {"train": {"epochs": 2, "batch": 2}, "data": {"folds": None, "split": "7:3"}}
    bad_epoch, bad_index = int(resumed), 3
    batches = {}
    epochs = loop.FoldTraining.begin_epoch

    def begin(self, epoch):
        forward = epochs(self, epoch)
        calls = iter(range(10**6))

        def spoilt(image):
            outputs = forward(image)
            call = next(calls)
            return tuple(o * float("nan") for o in outputs) if (epoch, call) == wanted else outputs

        wanted = (bad_epoch, bad_index)
        return spoilt

    monkeypatch.setattr(loop.FoldTraining, "begin_epoch", begin)
    for event in run_until_error(recipe(**settings), tmp_path / "run", batches):
        assert event
    report = json.loads((tmp_path / "run" / "fold0" / "bad_batch.json").read_text())
    assert report["ids"] == batches["ids"]
    assert report["found_in"] == "the loss"
    assert ("last good state is kept" in batches["said"]) == resumed
    if resumed:
        kept = torch.load(tmp_path / "run" / "fold0" / "last.pt", weights_only=False)
        assert all(v.isfinite().all() for v in kept["network"].values() if v.is_floating_point())


def run_until_error(made, out, found):
    """Events until the run breaks; the ids of batch 3 of the epoch in which it does."""
    original = loop.FoldTraining.tick

    def tick(self, epoch, batch):
        if batch.index == 3:
            found["ids"] = batch.ids
        return original(self, epoch, batch)

    loop.FoldTraining.tick = tick
    try:
        with pytest.raises(SegkitError) as caught:
            run(made, out, workers=0)
    finally:
        loop.FoldTraining.tick = original
    found["said"] = str(caught.value)
    return [True]
