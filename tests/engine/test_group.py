"""Which processes are one group: a rank for each, or training alone and saying so."""

import os
import socket
import subprocess
import sys

import pytest

from segkit.engine import group

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
NAMES += ("SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_JOB_ID")
# as a real SLURM 22.05 sets them
BATCH = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "7"}
STEP = {**BATCH, "SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}


@pytest.fixture
def started(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def set_(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_


@pytest.mark.parametrize(
    ("variables", "wanted", "rank"),
    [
        ({}, False, 0),
        ({"RANK": "1", "WORLD_SIZE": "2"}, True, 1),
        ({"RANK": "0", "WORLD_SIZE": "1"}, False, 0),
        ({"WORLD_SIZE": "2"}, False, 0),  # somebody's variable, but nobody's rank
        (BATCH, False, 0),  # a batch script is one process, whatever it asked for
        (STEP, True, 1),
        ({**STEP, "SLURM_STEP_NUM_TASKS": "1"}, False, 0),
    ],
)
def test_a_group_is_where_every_process_has_a_rank(started, variables, wanted, rank):
    started(variables)
    assert (group.wanted(), group.rank()) == (wanted, rank)


def test_a_batch_script_with_two_tasks_says_that_it_trains_alone(started):
    started(BATCH)
    assert "training alone" in group.alone_note()
    assert "srun segkit train" in group.alone_note()
    started(STEP)
    assert group.alone_note() == ""


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize(("mine", "absent"), [("0", "rank 1"), ("1", "rank 0")])
def test_who_does_not_come_is_one_line(mine, absent):
    around = {"RANK": mine, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    around |= {"MASTER_PORT": str(free_port()), "SEGKIT_JOIN_SECONDS": "2"}
    code = "from segkit.engine import distributed as d\ntry: d.join('cpu')\n"
    code += "except Exception as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **around},
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert f"{absent} did not come" in lines[0]
    assert len(lines) == 2
    assert done.stderr == ""
