"""Sending and following plans with a place that this test controls; the worker in this process."""

import json
import os
import signal
from pathlib import Path

import pytest
from short_runs import outcome, recipe, run

from segkit.engine.launching import conclude, states, tasks, watching, worker
from segkit.engine.launching import plan as plans
from segkit.engine.launching.plan import Task
from segkit.engine.training.crossval import TrainingOptions
from segkit.errors import MissingExtra, SegkitError, UsageError
from segkit.events import Note

PLACE = tasks.Place("here", {"tries": 2}, 1)


class Fake:
    """A place whose queue is a dictionary."""

    def __init__(self):
        self.sent, self.queue, self.react = [], {}, lambda numbers: None

    def alive(self, plan):
        return self.queue

    def send(self, plan, numbers):
        self.sent.append(list(numbers))
        self.react(numbers)


@pytest.fixture
def fake(monkeypatch):
    there = Fake()
    monkeypatch.setattr(watching, "place", lambda plan: there)
    return there


@pytest.fixture
def plan(tmp_path):
    listed = [
        Task("a", str(tmp_path / "a"), words=("x",)),
        Task("b", str(tmp_path / "b"), words=()),
    ]
    made = plans.make("commands", "here", tmp_path, listed, options={}, settings={"tries": 2})
    plans.write(made)
    return made


@pytest.fixture
def in_process(monkeypatch):
    """The worker's main changes directory, variables and signals: all put back."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    before = signal.getsignal(signal.SIGUSR2)
    here = Path.cwd()
    yield
    os.chdir(here)
    signal.signal(signal.SIGUSR2, before)


def test_a_plan_is_read_back_as_it_was_written(plan, tmp_path):
    assert plans.read(tmp_path) == plan
    assert plans.read(tmp_path / "launch") == plan
    with pytest.raises(SegkitError, match="was not launched"):
        plans.read(tmp_path / "a")
    (plan.folder / "plan.json").write_text(json.dumps({"kind": "train"}))
    with pytest.raises(SegkitError, match="is damaged"):
        plans.read(tmp_path)


def test_what_dies_is_sent_again_and_given_up_after_its_tries(fake, plan):
    def die(numbers):
        for number in numbers:
            states.begin(plan, number)  # and nothing more is ever heard of it

    fake.react = die
    watching.send(plan)
    states.say(plan, 0, states.DONE)
    events = list(watching.watch(plan, pause=0))
    assert fake.sent == [[0, 1], [1]]
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == ["died and sent again: b"]
    last = events[-1].rows
    assert [row.state for row in last] == ["done", "failed"]
    assert states.failures(plan) == {1: "it died 2 times"}
    assert conclude.concluded(plan)


def test_what_is_queued_is_not_sent_twice(fake, plan):
    fake.queue = {0: "queued"}
    assert watching.send(plan) == [1]


def test_resume_tries_again_what_failed_and_refuses_another_plan(fake, plan):
    states.say(plan, 1, states.FAILED, reason="no memory")
    with pytest.raises(UsageError, match="launched already"):
        watching.renew(plan, resume=False)
    watching.renew(plan, resume=True)
    assert states.unfinished(plan) == [0, 1]
    import dataclasses

    other = dataclasses.replace(plan, tasks=plan.tasks[:1])
    with pytest.raises(UsageError, match="other tasks"):
        watching.renew(other, resume=True)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("slurm", "ray"):
        with pytest.raises(MissingExtra, match=rf"segkit\[{name}\]"):
            watching.launcher(name)
    with pytest.raises(UsageError, match="unknown launcher 'slrum'"):
        watching.launcher("slrum")


def test_cells_by_workers_equal_the_run_here(home, tmp_path, in_process):
    """Each fold by itself, in any order, then the scores by whoever comes last."""
    made = recipe(data={"augment": "strong"}, train={"epochs": 2})
    run(made, tmp_path / "whole", score=True)
    options = TrainingOptions(device="cpu", command="test")
    plan = tasks.of_run(made, tmp_path / "cells", options, PLACE, lambda text: None)
    plans.write(plan)
    assert [task.name for task in plan.tasks] == ["fold0", "fold1"]
    assert worker.main([str(tmp_path / "cells"), "1"]) == 0
    assert not conclude.concluded(plan)
    assert worker.main([str(tmp_path / "cells"), "0"]) == 0
    assert conclude.concluded(plan)
    assert outcome(tmp_path / "cells") == outcome(tmp_path / "whole")
    summaries = [
        json.loads((tmp_path / name / "summary.json").read_text()) for name in ("cells", "whole")
    ]
    assert summaries[0]["metrics"] == summaries[1]["metrics"]
    facts = json.loads((tmp_path / "cells" / "environment.json").read_text())
    assert facts["device"] == "cpu"
    assert facts["plan"] == {"seeds": [0], "folds": [0, 1]}
    assert [row.state for row in states.rows(plan, {})] == ["done", "done"]
    assert states.rows(plan, {})[0].epochs == 2


def test_an_error_is_kept_and_is_no_reason_to_try_again(home, tmp_path, in_process):
    made = recipe()
    plan = tasks.of_run(
        made, tmp_path / "r", TrainingOptions(device="cpu"), PLACE, lambda text: None
    )
    plans.write(plan)
    card = tmp_path / "r" / "data.json"
    card.write_text(card.read_text().replace('"hash": "', '"hash": "0'))
    assert worker.main([str(tmp_path / "r"), "0"]) == 1
    assert "has changed since the run began" in states.failures(plan)[0]


def test_a_run_that_is_there_is_not_begun_again(home, tmp_path):
    made, out = recipe(), tmp_path / "r"
    tasks.of_run(made, out, TrainingOptions(device="cpu"), PLACE, lambda text: None)
    with pytest.raises(UsageError, match="is a run already"):
        tasks.of_run(made, out, TrainingOptions(device="cpu"), PLACE, lambda text: None)
    other = recipe(optim={"lr": 0.5})
    with pytest.raises(UsageError, match=r"differs in optim\.lr"):
        tasks.of_run(
            other, out, TrainingOptions(device="cpu", resume=True), PLACE, lambda text: None
        )
    tasks.of_run(made, out, TrainingOptions(device="cpu", resume=True), PLACE, lambda text: None)


def test_a_copy_on_a_local_disk_is_trained_from(home, tmp_path, in_process):
    settings = {"tries": 1, "cache": str(tmp_path / "disk")}
    place = tasks.Place("here", settings, 1)
    made = recipe(train={"epochs": 1})
    plan = tasks.of_run(
        made, tmp_path / "r", TrainingOptions(device="cpu"), place, lambda text: None
    )
    plans.write(plan)
    for number in (0, 1):
        assert worker.main([str(tmp_path / "r"), str(number)]) == 0
    assert len(list((tmp_path / "disk").rglob("images.npy"))) == 1
    run(made, tmp_path / "whole")
    assert outcome(tmp_path / "r") == outcome(tmp_path / "whole")
