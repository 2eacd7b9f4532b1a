"""What goes wrong is said in a line, with the last good state kept."""

import json
import threading

import pytest
import torch
from short_runs import recipe, run

from segkit.engine.training import batchsize, fold, guards
from segkit.engine.training.checkpoint import load_last
from segkit.engine.training.fold import TrainingProgress
from segkit.errors import SegkitError
from segkit.events import EpochDone, Note


def test_nan_stops_with_the_batch_and_the_module(home, tmp_path, monkeypatch):
    step = fold.FoldTraining.step

    def poisoned(self):
        step(self)
        if next(iter(self.optimizer.state.values()))["step"] == 5:  # the same in a replay
            self.network.head.weight.data.fill_(float("nan"))

    monkeypatch.setattr(fold.FoldTraining, "step", poisoned)
    with pytest.raises(SegkitError, match="the loss is not finite") as caught:
        run(recipe(train={"epochs": 3}), tmp_path / "r", folds=[0])
    assert "module 'head'" in caught.value.why
    bad = json.loads((tmp_path / "r" / "fold0" / "bad_batch.json").read_text())
    assert bad["found_in"] == "the loss"
    assert bad["ids"]
    kept = load_last(tmp_path / "r" / "fold0" / "last.pt")
    assert kept["progress"]["epoch"] == 1
    assert all(torch.isfinite(v).all() for v in kept["network"].values())


def test_a_bad_gradient_is_stopped_before_the_step(home, tmp_path, monkeypatch):
    backward = fold.FoldTraining.backward

    def poisoned(self, loss):
        backward(self, loss)
        self.network.head.weight.grad.fill_(float("inf"))

    monkeypatch.setattr(fold.FoldTraining, "backward", poisoned)
    with pytest.raises(SegkitError, match="the gradient is not finite") as caught:
        run(recipe(), tmp_path / "r", folds=[0])
    assert "'head.weight'" in caught.value.why


def epoch_event(share, true=0.2):
    val = {"predicted_share": share, "true_share": true}
    return EpochDone(0, 0, 1, 0.5, 1e-3, val, 1.0, 1.0, False, 0.0)


def test_a_collapsed_run_is_called_so_once():
    state = TrainingProgress()
    said = [list(guards.warn_if_collapsed(state, epoch_event(0.0))) for _ in range(6)]
    assert [len(events) for events in said] == [0, 0, 1, 0, 0, 0]
    assert "background" in said[2][0]["text"]


def test_recovery_resets_the_count():
    state = TrainingProgress()
    for share in (0.0, 0.0, 0.3, 1.0, 1.0):
        assert not list(guards.warn_if_collapsed(state, epoch_event(share)))
    assert "foreground" in next(guards.warn_if_collapsed(state, epoch_event(1.0)))["text"]


def test_an_empty_truth_is_no_collapse():
    state = TrainingProgress()
    for _ in range(5):
        assert not list(guards.warn_if_collapsed(state, epoch_event(0.0, true=0.0)))


def test_out_of_memory_has_a_cure():
    with (
        pytest.raises(SegkitError, match="--batch 4"),
        guards.memory_errors(8, torch.device("cpu")),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_signals_are_only_caught_while_training():
    import signal

    before = signal.getsignal(signal.SIGTERM)
    with guards.Stop().listening() as stop:
        assert signal.getsignal(signal.SIGTERM) is not before
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested(torch.device("cpu"))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_repeated_at_once_does_not_cut_the_saving_short():
    import signal

    with guards.Stop().listening() as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        stop.asked -= guards.GRACE + 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_recipe_may_ask_for_saving_by_the_clock(monkeypatch):
    from types import SimpleNamespace

    from segkit.engine.training import crossval, parallel
    from segkit.recipe import Recipe, TrainRecipe

    asked = []
    monkeypatch.setattr(parallel, "run_parallel", lambda jobs, many, wish: [asked.append(wish)])
    jobs = [SimpleNamespace(recipe=Recipe(train=TrainRecipe(save_minutes=3.0)))] * 2
    for minutes in (None, 1.0):
        options = crossval.TrainingOptions(fold_jobs=2, save_minutes=minutes)
        list(crossval.events_of(jobs, options, torch.device("cpu")))
    assert asked == [3.0, 1.0]


def test_a_thread_may_train_too():
    found = []

    def work():
        with guards.Stop().listening() as stop:
            found.append(stop.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0]


def test_the_clock_of_save_minutes():
    assert not guards.Stop(None).due()
    stop = guards.Stop(1.0)
    assert not stop.due()
    stop.saved -= 61
    assert stop.due()
    assert not stop.due()


def test_the_largest_batch_doubles_until_it_does_not_fit(monkeypatch):
    def peak(made, device, batch):
        return float("inf") if batch > 16 else 10.0

    monkeypatch.setattr(batchsize, "peak_mb", peak)
    monkeypatch.setattr(batchsize, "free_mb", lambda device: 1e6)
    made = from_nothing()
    assert batchsize.largest_batch(made, torch.device("cpu"), 1000) == 16
    assert batchsize.largest_batch(made, torch.device("cpu"), 10) == 8


def test_a_batch_is_limited_by_free_memory(monkeypatch):
    monkeypatch.setattr(batchsize, "peak_mb", lambda made, device, batch: 100.0 * batch)
    monkeypatch.setattr(batchsize, "free_mb", lambda device: 1000.0)
    monkeypatch.setattr(batchsize.precision, "memory_mb", lambda device: 0.0)
    assert batchsize.largest_batch(from_nothing(), torch.device("cpu"), 1000) == 4


def test_batch_auto_is_kept_by_a_resumed_run(home, tmp_path, monkeypatch):
    monkeypatch.setattr(batchsize, "largest_batch", lambda *arguments: 5)
    events = run(recipe(train={"epochs": 1}), tmp_path / "r", folds=[0], find_batch=True)
    assert Note("--batch auto: 5") in events
    monkeypatch.setattr(batchsize, "largest_batch", lambda *arguments: 7)
    again = {"folds": [0], "find_batch": True, "resume": True}
    assert run(recipe(train={"epochs": 1}), tmp_path / "r", **again)[-1]["event"] == "done"


def from_nothing():
    from segkit.recipe import Recipe

    return Recipe()
