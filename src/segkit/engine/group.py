"""Which group of processes this one was started in, read from the environment. Stdlib only."""

from __future__ import annotations

import os


def wanted() -> bool:
    """Whether this process is one of several, each with a rank of its own.

    torchrun gives RANK and WORLD_SIZE; a task of `srun` knows of how many it is one. A batch script
    knows SLURM_NTASKS too, but is alone, however many tasks it asked for.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"]) > 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1 and "SLURM_STEP_ID" in os.environ


def alone_note() -> str:
    """What to say where several processes were asked for and only one was started; else empty."""
    tasks = int(os.environ.get("SLURM_NTASKS") or 1)
    if wanted() or tasks < 2 or "SLURM_STEP_ID" in os.environ or "RANK" in os.environ:
        return ""
    return (
        f"SLURM gave {tasks} tasks, but this is the batch script, which is one process: training "
        f"alone (for {tasks} processes write: srun segkit train …)"
    )


def rank() -> int:
    """The rank that this process will have; 0 when alone."""
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or 0) if wanted() else 0
