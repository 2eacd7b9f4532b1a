"""The scripts of each place, and real ones: a SLURM of one node, a Ray of two workers."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import until
from short_runs import outcome

from segkit.engine.launching import here, raying, settings, slurm, states
from segkit.engine.launching import plan as plans
from segkit.engine.launching.plan import Task
from segkit.errors import SegkitError

WORDS = ["sweep", "unet", "--grid", "model.width=4,6", "--grid", "optim.lr=0.003,0.01,0.02"]
WORDS += ["--data", "demo", "--size", "32", "--batch", "4", "--epochs", "12", "--device", "cpu"]
WORDS += ["--set", "model.levels=2"]


def plan(tmp_path, on="slurm", **over):
    kind = {
        "slurm": settings.SlurmSettings,
        "ray": settings.RaySettings,
        "here": settings.HereSettings,
    }[on]
    made = dataclasses.asdict(kind(**over))
    listed = [Task(f"t{n}", str(tmp_path / f"t{n}"), words=()) for n in range(3)]
    return plans.make("commands", on, tmp_path / "x", listed, options={}, settings=made)


def script(tmp_path, numbers=(0, 1, 2), **over):
    pytest.importorskip("submitit")
    made = plan(tmp_path, **over)
    plans.write(made)
    return slurm.Slurm().script(made, numbers)


def test_the_batch_script_says_what_the_cluster_file_says(tmp_path):
    lines = {"setup": ("module load cuda",), "extra": ("--exclude=n7", "--exclusive")}
    given = {"partition": "gpu", "time": "2:00:00", "gres": "gpu:1", "cpus": 4, "memory": "16G"}
    text = script(tmp_path, at_once=2, **given, **lines)
    for line in ("--partition=gpu", "--time=2:00:00", "--gres=gpu:1", "--cpus-per-task=4",
                 "--mem=16G", "--array=0-2%2", "--exclude=n7", "--exclusive", "--requeue",
                 "--open-mode=append", "--signal=USR2@90"):  # fmt: skip
        assert f"#SBATCH {line}\n" in text
    assert text.index("module load cuda") < text.index("srun ")
    assert "segkit.engine.launching.worker" in text
    assert "scontrol requeue" in text
    assert "wckey" not in text


def test_some_tasks_only(tmp_path):
    assert "#SBATCH --array=0,2\n" in script(tmp_path, numbers=[0, 2])


def test_containers(tmp_path):
    text = script(tmp_path, container="segkit.sif", gres="gpu:1")
    assert "apptainer exec --nv --bind /" in text
    assert "segkit.sif python3 -u -m segkit.engine.launching.worker" in text
    text = script(tmp_path, container="registry/segkit:1")
    assert "--container-image=registry/segkit:1" in text


def test_the_script_is_valid_shell_and_asks_again_only_when_killed(tmp_path):
    """Run with tools that only write down how they are called."""
    text = script(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, body in {
        "srun": "exit $CODE",
        "scontrol": 'echo "$@" >> $CALLS; echo JobState=$STATE',
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{body}\n")
        (tools / name).chmod(0o755)

    def calls(code, state="RUNNING", restarts="0"):
        log = tmp_path / "calls"
        log.write_text("")
        around = {"PATH": f"{tools}:{os.environ['PATH']}", "CODE": str(code), "CALLS": str(log)}
        around |= {"STATE": state, "SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": restarts}
        done = subprocess.run(["bash", "-c", text], env={**os.environ, **around}, check=False)
        assert done.returncode == code
        return "requeue 5" in log.read_text()

    assert calls(137)
    assert calls(143)
    assert not calls(0)
    assert not calls(1)  # refused: it would be refused again
    assert not calls(143, state="CANCELLED")
    assert not calls(137, restarts="4")


def test_without_slurm_the_script_is_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SegkitError, match=r"no SLURM(.|\n)*--emit"):
        slurm.Slurm().send(plan(tmp_path), [0])


def test_the_scripts_of_here_and_ray_name_their_plan(tmp_path):
    text = here.Here().script(plan(tmp_path, "here"), [0, 2])
    assert "for number in 0 2; do" in text
    assert '"$number" --parent $$' in text
    assert str(tmp_path / "x") in text
    assert f"segkit.engine.launching.raying {tmp_path / 'x'}" in raying.Ray().script(
        plan(tmp_path, "ray"), [0]
    )


# --- real ones ---


def slurm_is_up():
    if shutil.which("sinfo") is None:
        return False
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False)
    return any(state in done.stdout for state in ("idle", "mixed", "alloc"))


def segkit(home, *words, **more):
    around = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "segkit", *words]
    return subprocess.Popen(command, env=around, stderr=subprocess.PIPE, text=True, **more)


def cluster_file(tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text('[slurm]\ntime = "10"\nmemory = "1200M"\n[ray]\nmachine_cpus = 2\n')
    return file


def six_runs(home, tmp_path, on, kill):
    """The sweep here and there, with one task killed after its first epoch."""
    first = segkit(home, *WORDS, "--out", str(tmp_path / "here"))
    assert first.wait(300) == 0, first.stderr.read()
    out = tmp_path / "there"
    words = ["--on", on, "--cluster", str(cluster_file(tmp_path)), "--out", str(out)]
    there = segkit(home, *WORDS, *words)
    victim = out / "width=4_lr=0.01" / "fold0" / "metrics.csv"
    try:
        assert until(victim.is_file, 120)
        kill(out)
        assert there.wait(400) == 0, there.stderr.read()
    finally:
        there.kill()
    made = plans.read(out)
    assert states.read(made, 1)["tries"] > 1
    for folder in sorted((tmp_path / "here").glob("width*")):
        assert outcome(out / folder.name) == outcome(folder)
    tables = [json.loads((p / "sweep.json").read_text())["rows"] for p in (out, tmp_path / "here")]
    assert [row["dice_image"] for row in tables[0]] == [row["dice_image"] for row in tables[1]]


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.skipif(not slurm_is_up(), reason="needs a SLURM (sinfo)")
def test_six_runs_on_slurm_with_one_killed_equal_those_here(home, tmp_path):
    pytest.importorskip("submitit")

    def kill(out):
        job = json.loads((out / "launch" / "sent.json").read_text())[0]["job"]
        subprocess.run(["scancel", "--signal=KILL", f"{job}_1"], check=True)

    six_runs(home, tmp_path, "slurm", kill)


@pytest.mark.slow
@pytest.mark.cluster
def test_six_runs_on_ray_with_a_worker_killed_equal_those_here(home, tmp_path):
    pytest.importorskip("ray")

    def kill(out):
        pid = states.read(plans.read(out), 1)["pid"]
        status = Path(f"/proc/{pid}/stat").read_text()
        os.kill(int(status.rsplit(")", 1)[1].split()[1]), signal.SIGKILL)  # Ray's process

    six_runs(home, tmp_path, "ray", kill)


SMALL = ["unet", "--data", "demo", "--size", "32", "--batch", "4", "--device", "cpu"]
SMALL += ["--set", "model.levels=2", "--set", "model.width=4"]


def carried_out(home, *words):
    process = segkit(home, *words)
    assert process.wait(300) == 0, process.stderr.read()


@pytest.mark.slow
@pytest.mark.cluster
def test_folds_and_seeds_on_ray_equal_those_here(home, tmp_path):
    pytest.importorskip("ray")
    words = ["train", *SMALL, "--epochs", "2", "--folds", "2", "--seeds", "2"]
    carried_out(home, *words, "--out", str(tmp_path / "here"))
    cluster = ["--on", "ray", "--cluster", str(cluster_file(tmp_path))]
    carried_out(home, *words, *cluster, "--out", str(tmp_path / "there"))
    assert len(outcome(tmp_path / "here")) >= 6
    assert outcome(tmp_path / "there") == outcome(tmp_path / "here")
    made = [json.loads((tmp_path / one / "summary.json").read_text()) for one in ("here", "there")]
    assert made[0]["metrics"] == made[1]["metrics"]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_search_on_ray_tries_as_often_as_asked_and_never_scores(home, tmp_path):
    pytest.importorskip("ray")
    pytest.importorskip("optuna")
    out = tmp_path / "search"
    words = ["sweep", *SMALL, "--epochs", "2", "--search", "4", "--grid", "optim.lr=log:1e-4..1e-2"]
    cluster = ["--on", "ray", "--cluster", str(cluster_file(tmp_path))]
    carried_out(home, *words, *cluster, "--out", str(out))
    found = json.loads((out / "results.json").read_text())
    assert found["counts"] == {"complete": 4, "pruned": 0, "failed": 0}
    assert sorted(row["trial"] for row in found["rows"]) == [0, 1, 2, 3]
    assert (out / "best.json").is_file()
    assert not list(out.rglob("summary.json"))  # the test part was not looked at
