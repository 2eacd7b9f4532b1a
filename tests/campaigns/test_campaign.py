"""A short slice of every campaign; `make campaign MINUTES=20` runs the long one."""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import hostile
import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SEGKIT_HOME", "")  # put back afterwards
    hostile.preload()
    yield run.world(tmp_path_factory.mktemp("hostile"))
    patch.undo()


@pytest.mark.parametrize("kind", [k for k in run.KINDS if k not in (run.Kills, run.Onnx)])
def test_nothing_is_lost_and_nothing_let_in(runs, kind, tmp_path):
    assert run.attempt(kind(runs), 7, tmp_path / "work").faults == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [run.Kills, run.Onnx, run.FullDisk])
def test_the_longer_ones(runs, kind, tmp_path):
    one = kind(runs)
    assert [f for seed in range(3) for f in run.attempt(one, seed, tmp_path / "w").faults] == []


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: 1 // 0, "ZeroDivisionError"),
        (lambda: os.kill(os.getpid(), 9), "signal 9"),
        (lambda: len(bytearray(700 << 20).replace(b"\0", b"\1")) * 0, "took"),
        (lambda: 70, "exit 70"),
    ],
)
def test_a_fault_is_seen(work, said, tmp_path):
    assert said in hostile.child(work, tmp_path / "log").fault


def test_an_idle_hang_is_seen(tmp_path):
    work = partial(time.sleep, 60)
    assert "ended by signal" in hostile.child(work, tmp_path / "log", longest=0.1).fault


def test_a_busy_child_is_seen_by_its_own_clock_and_says_where_it_stood(tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "PATIENCE", 200)  # 60 s by the clock

    def turns_round():
        while True:
            pass

    end = hostile.child(turns_round, tmp_path / "log", longest=0.3)
    assert "signal 9" in end.fault
    assert "in turns_round" in end.fault
    assert end.seconds < 60


def test_the_same_seed_is_the_same_attack():
    from random import Random

    import try_pictures

    made = [[try_pictures.mutated(dice) for _ in range(30)] for dice in (Random(5), Random(5))]
    assert made[0] == made[1]


def test_the_table_goes_into_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{run.MARK}\nold\n{run.MARK}\nafter\n")
    run.into_page(page, "new")
    assert page.read_text() == f"before\n{run.MARK}\nnew\n{run.MARK}\nafter\n"


class Quick:
    title, quota, lists = "quick ones", 4, "things"
    seen: ClassVar[list[int]] = []

    def __init__(self, runs):
        pass

    def attack(self, seed, work):
        self.seen.append(seed)
        return hostile.Tried(2, ["odd"] if seed == 1 else [], 100)


def test_a_stopped_campaign_goes_on_with_the_next_seeds(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(run, "world", lambda folder: folder)
    monkeypatch.setattr(Quick, "seen", [])
    file = tmp_path / "tally.json"
    run.campaign(tmp_path / "a", 1, 0, (Quick,), 0.5, run.Tally(file))
    run.campaign(tmp_path / "b", 1, 0, (Quick,), 1, run.Tally(file))
    assert Quick.seen == [0, 1, 2, 3]
    (score,) = run.Tally(file).scores.values()
    assert (score.seeds, score.count, score.peak) == (4, 8, 100)
    assert [tuple(one) for one in score.faults] == [(1, "odd")]
    assert score.codes == [run.code()]


def test_tallies_after_and_beside_each_other(tmp_path):
    files = [tmp_path / name for name in ("early", "late", "beside")]
    early, late, beside = tallies = [run.Tally(file) for file in files]
    early.scores = {"a": run.Score(3, 30, [(7, "odd")]), "b": run.Score(1, 10)}
    late.scores = {"a": run.Score(2, 20, [], 9 << 20, [50], ["1234567"])}
    beside.scores = {"a": run.Score(1, 10, [], 5 << 20, [70], ["1234567"])}
    for tally in tallies:
        tally.keep(3)
    text = run.table(run.shown("{},{}+{}".format(*files)), {"a": "things", "b": "files"})
    assert "| a | 30 things (3 seeds) | 0 | 9 MB | 50, 70 | 1234567 |" in text
    assert "| b | 10 files (1 seeds) | 0 |" in text
    assert ": 9 minutes; bound 556 MB." in text
    with pytest.raises(SystemExit, match="there is no tally"):
        run.shown(f"{early.file},{tmp_path / 'gone'}")
