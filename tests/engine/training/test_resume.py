"""A run that is stopped anywhere goes on to the same weights, bit for bit."""

import itertools

import pytest
import torch
from short_runs import outcome, recipe, run

from segkit.engine.training import crossval, fold, guards
from segkit.errors import SegkitError, UsageError

FULL = {
    "data": {"augment": "strong"},
    "optim": {"ema": 0.9, "clip": 1.0, "accumulate": 2},
    "schedule": {"name": "plateau", "patience": 0, "warmup": 1.0},
    "train": {"epochs": 3, "batch": 2},
}


@pytest.fixture(scope="module")
def undisturbed(demo_home, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        out = tmp_path_factory.mktemp("resume") / "whole"
        run(recipe(**FULL), out)
        torch.set_num_threads(threads)
        return outcome(out)


class StopAfter(guards.Stop):
    """Asks to stop at the n-th question."""

    after = 1

    def __init__(self, save_minutes=None):
        super().__init__(save_minutes)
        self.asked = itertools.count(1)

    def requested(self, device, step=0):
        if next(self.asked) >= self.after:
            self.signal = 15
        return bool(self.signal)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 9])
def test_stopped_by_a_signal_and_resumed(home, tmp_path, monkeypatch, undisturbed, after):
    with monkeypatch.context() as patch:
        patch.setattr(StopAfter, "after", after)
        patch.setattr(crossval, "Stop", StopAfter)
        with pytest.raises(guards.Stopped) as caught:
            run(recipe(**FULL), tmp_path / "r")
    assert caught.value.exit_code == 128 + 15
    run(recipe(**FULL), tmp_path / "r", resume=True)
    assert outcome(tmp_path / "r") == undisturbed


def test_stopped_again_and_again(home, tmp_path, monkeypatch, undisturbed):
    stops = 0
    with monkeypatch.context() as patch:
        patch.setattr(StopAfter, "after", 4)
        patch.setattr(crossval, "Stop", StopAfter)
        while True:
            try:
                run(recipe(**FULL), tmp_path / "r", resume=stops > 0)
                break
            except guards.Stopped:
                stops += 1
    assert stops >= 3
    assert outcome(tmp_path / "r") == undisturbed


def test_a_finished_fold_is_not_repeated(home, tmp_path):
    made = recipe(train={"epochs": 1})
    run(made, tmp_path / "r", folds=[0])
    before = (tmp_path / "r" / "fold0" / "last.pt").stat().st_mtime_ns
    events = run(made, tmp_path / "r", resume=True)
    assert [e["fold"] for e in events if e["event"] == "fold"] == [1]
    assert (tmp_path / "r" / "fold0" / "last.pt").stat().st_mtime_ns == before


def test_another_recipe_is_refused_with_its_keys(home, tmp_path):
    run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])
    other = recipe(train={"epochs": 2}, optim={"lr": 0.5})
    with pytest.raises(UsageError, match=r"optim\.lr, train\.epochs"):
        run(other, tmp_path / "r", resume=True)


def test_a_broken_state_says_what_to_do(home, tmp_path):
    run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0])
    (tmp_path / "r" / "fold0" / "last.pt").write_bytes(b"half")
    (tmp_path / "r" / "fold0" / "fold.json").unlink()
    with pytest.raises(SegkitError, match="Delete it"):
        run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0], resume=True)


class Dropping(torch.nn.Module):
    """A network that draws from torch's generator in every step."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Dropout(0.5), torch.nn.Conv2d(4, 1, 1)
        )

    def forward(self, image):
        return self.body(image)


def test_dropout_goes_on_where_it_was(home, tmp_path, monkeypatch):
    monkeypatch.setattr(fold.build, "create", lambda name, **config: Dropping())
    made = recipe(train={"epochs": 2, "batch": 2})
    run(made, tmp_path / "whole", folds=[0])
    with monkeypatch.context() as patch:
        patch.setattr(StopAfter, "after", 3)
        patch.setattr(crossval, "Stop", StopAfter)
        with pytest.raises(guards.Stopped):
            run(made, tmp_path / "cut", folds=[0])
    run(made, tmp_path / "cut", folds=[0], resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
