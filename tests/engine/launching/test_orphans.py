"""A task that was sent to this machine ends with whoever sent it, and so does what it started."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Family, until

from segkit import paths
from segkit.engine import lifeline
from segkit.engine.launching import here
from segkit.engine.launching import plan as plans
from segkit.engine.launching.plan import Task

WORDS = ["train", "unet", "--data", "demo", "--size", "32", "--epochs", "5000", "--batch", "2"]
WORDS += ["--device", "cpu", "--split", "7:3", "--set", "model.width=4", "--set", "model.levels=2"]
SEND = "import sys; from segkit.engine.launching import here, plan; from pathlib import Path; "
SEND += "here.Here().send(plan.read(Path(sys.argv[1])), [0])"


def test_a_command_that_follows_is_the_command():
    done = subprocess.run(lifeline.command(["--version"]), capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("segkit ")


def test_a_command_whose_starter_is_gone_does_nothing():
    words = lifeline.command(["--version"])
    words[words.index(str(os.getpid()))] = "1"
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")


def launcher(way: str, plan: plans.Plan) -> list[str]:
    if way == "sent":
        return [sys.executable, "-c", SEND, plan.out]
    script = paths.write_text(Path(plan.out) / "tasks.sh", here.Here().script(plan, [0]))
    return ["bash", str(script)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.skipif(shutil.which("bash") is None, reason="the script is for bash")
@pytest.mark.parametrize("way", ["sent", "script"])
def test_nobody_is_left_of_a_killed_launcher(way, home, tmp_path):
    run, family = tmp_path / "run", Family(home)
    task = Task("a", str(run), words=(*WORDS, "--out", str(run)))
    plan = plans.make("commands", "here", tmp_path / "all", [task], options={}, settings={})
    plans.write(plan)
    first = family.start(launcher(way, plan))
    try:
        assert until(lambda: any(run.glob("fold*/metrics.csv"))), "it did not begin to train"
        assert len(family.alive()) >= 3  # the launcher, its worker, the worker's command
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert until(lambda: not family.alive(), 5.0), "somebody trains on"
    finally:
        family.end()
