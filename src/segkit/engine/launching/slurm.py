"""SLURM: one array job through submitit, one task per element, requeued when it is killed.

submitit writes the batch script; what it runs is our worker, so that no pickle is read anywhere.
The script asks for its own requeue when a task was killed or saved its state and stopped (exit code
128 or more), unless somebody has cancelled it.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine.launching import settings
from segkit.engine.launching.plan import Plan
from segkit.errors import SegkitError
from segkit.recipe import fill

SCRIPT, SENT = "slurm.sh", "sent.json"
AGAIN = """code=$?
if [ $code -ge 128 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {more} ] \\
  && ! scontrol show job -o "$SLURM_JOB_ID" | grep -q JobState=CANCELLED; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit $code"""
QUEUED = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SUSPENDED", "SPECIAL_EXIT"}
OVER = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}
OVER |= {"DEADLINE", "PREEMPTED", "REVOKED"}


class Slurm:
    """The launcher `slurm`."""

    def script(self, plan: Plan, numbers: Sequence[int]) -> str:
        """The batch script for these tasks."""
        executor, command = _executor(plan, numbers)
        return str(executor._make_submission_file_text(command, plan.kind)) + "\n"

    def send(self, plan: Plan, numbers: Sequence[int]) -> None:
        """Submit the tasks as one array job."""
        if shutil.which("sbatch") is None:
            raise SegkitError(
                "there is no SLURM on this machine",
                "sbatch was not found",
                "Run this on a login node, or write the script with --emit FILE.",
            )
        script = paths.write_text(plan.folder / SCRIPT, self.script(plan, numbers))
        done = subprocess.run(
            ["sbatch", "--parsable", str(script)],
            capture_output=True,
            text=True,
            check=False,
            cwd=plan.directory,
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise SegkitError(
                "SLURM refused the job",
                why.removeprefix("sbatch: error: "),
                f"The script is {script}; partition and limits come from --cluster FILE.",
            )
        job = done.stdout.strip().split(";")[0]
        paths.write_json(plan.folder / SENT, [*sent(plan), {"job": job, "tasks": [*numbers]}])

    def alive(self, plan: Plan) -> dict[int, str]:
        """Which tasks the queue knows, by the job's name: a script of --emit was sent by hand.

        squeue is asked, because accounting (sacct) is not everywhere.
        """
        user, name = getpass.getuser(), job_name(plan)
        command = ["squeue", "-h", "-r", "-u", user, "-n", name, "-o", "%K|%T"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = done.stderr.strip() or "squeue failed"
            raise SegkitError("the queue cannot be asked", why, "Try again in a minute.")
        found: dict[int, str] = {}
        for line in done.stdout.splitlines():
            number, state = line.strip().split("|")
            if number.isdigit() and state not in OVER:
                found[int(number)] = "queued" if state in QUEUED else "running"
        return found

    def stop_words(self, plan: Plan) -> str:
        """The command that ends all jobs of a plan."""
        return f"scancel --name={job_name(plan)}"


def job_name(plan: Plan) -> str:
    """The name of a plan's jobs, which no other plan has."""
    return f"segkit-{Path(plan.out).name}-{paths.short_hash(plan.out)}"


def sent(plan: Plan) -> list[dict[str, Any]]:
    """The jobs that were submitted for a plan, oldest first."""
    file = plan.folder / SENT
    return list(paths.read_json(file)) if file.is_file() else []


def _executor(plan: Plan, numbers: Sequence[int]) -> tuple[Any, str]:
    """submitit's executor with our settings, and the command of one array element."""
    import submitit

    class Array(submitit.SlurmExecutor):
        """Scripts can be written where there is no SLURM."""

        @classmethod
        def affinity(cls) -> int:
            return 1

    made = fill(settings.SlurmSettings, plan.settings)
    executor = Array(folder=plan.logs)
    executor.update_parameters(**_parameters(made, plan, numbers))
    executor.parameters["map_count"] = len(numbers)  # names the logs %A_%a; the array is ours
    return executor, _command(made, plan)


def _parameters(made: settings.SlurmSettings, plan: Plan, numbers: Sequence[int]) -> dict[str, Any]:
    named = {name: getattr(made, name) for name in ("partition", "account", "qos", "gres")}
    given = {name: value for name, value in named.items() if value}
    if made.memory:
        given["mem"] = made.memory
    at_once = f"%{made.at_once}" if made.at_once else ""
    array = ",".join(map(str, numbers))
    if list(numbers) == list(range(len(numbers))):
        array = f"0-{len(numbers) - 1}" if len(numbers) > 1 else "0"
    more: dict[str, Any] = {"array": array + at_once, "requeue": True, **_extra(made.extra)}
    more |= {"time": made.time, "chdir": plan.directory}
    return {
        **given,
        "job_name": job_name(plan),
        "wckey": None,
        "cpus_per_task": made.cpus,
        "nodes": 1,
        "ntasks_per_node": 1,
        "signal_delay_s": made.grace,
        "stderr_to_stdout": True,
        "setup": list(made.setup),
        "teardown": [AGAIN.format(more=made.tries - 1)],
        "srun_args": _container(made, plan),
        "additional_parameters": more,
    }


def _extra(lines: Sequence[str]) -> dict[str, Any]:
    pairs = [line.removeprefix("--").partition("=") for line in lines]
    return {name: value if sign else True for name, sign, value in pairs}


def _container(made: settings.SlurmSettings, plan: Plan) -> list[str]:
    """srun's own options; pyxis takes images, apptainer is a command of its own."""
    words = [f"--cpus-per-task={made.cpus}"]  # since 22.05 srun does not take it from the job
    if made.container and not made.container.endswith(".sif"):
        mounts = ",".join(f"{place}:{place}" for place in _mounts(plan))
        words += [f"--container-image={made.container}", f"--container-mounts={mounts}"]
    return words


def _mounts(plan: Plan) -> list[str]:
    return sorted({plan.directory, plan.out, plan.environment["SEGKIT_HOME"]})


def _command(made: settings.SlurmSettings, plan: Plan) -> str:
    python = made.python or ("python3" if made.container else plan.python)
    words = [python, "-u", "-m", "segkit.engine.launching.worker", plan.out]
    if made.container.endswith(".sif"):
        image = os.path.expandvars(made.container)
        card = ["--nv"] if made.gres else []
        words = ["apptainer", "exec", *card, "--bind", ",".join(_mounts(plan)), image, *words]
    return shlex.join(words) + ' "$SLURM_ARRAY_TASK_ID"'
