"""Ray: a driver of its own sends one Ray task per piece, and lives on when the terminal closes.

A Ray task starts our worker as a child process that ends with it. When the Ray worker or its node
dies, Ray sends the task again, and the child goes on from the saved state. Files are exchanged by
the folder, which all nodes must see.

    python -m segkit.engine.launching.raying OUT        the driver, which `--emit` writes down
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine.launching import plan as plans
from segkit.engine.launching import settings, states
from segkit.engine.launching.here import command_of
from segkit.engine.launching.plan import Plan
from segkit.errors import SegkitError

DRIVER = "ray-driver.json"  # touched every few seconds while the driver lives
BEAT, SILENCE = 3.0, 60.0
START = 60.0  # seconds in which a driver must have said something
JOB = """#!/bin/bash
# The tasks of a segkit plan as Ray tasks. On a node of the cluster: bash {name}
# Through Ray's job service: ray job submit --no-wait -- bash {name}
cd {directory}
exec {command}
"""


class Ray:
    """The launcher `ray`."""

    def script(self, plan: Plan, numbers: Sequence[int]) -> str:
        """A shell script that starts the driver."""
        command = shlex.join(_driver(plan))
        directory = shlex.quote(plan.directory)
        return JOB.format(name="ray-job.sh", directory=directory, command=command)

    def send(self, plan: Plan, numbers: Sequence[int]) -> None:
        """Start the driver in a session of its own; it sends what is not over."""
        with open(plan.logs / "ray-driver.log", "ab") as log:
            driver = subprocess.Popen(
                _driver(plan),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=plan.directory,
            )
        begun = time.monotonic()
        while not (plan.folder / DRIVER).is_file() or not _driver_lives(plan):
            if driver.poll() is not None or time.monotonic() - begun > START:
                raise _no_driver(plan)
            time.sleep(0.2)

    def alive(self, plan: Plan) -> dict[int, str]:
        """All tasks that are not over belong to the driver while it lives."""
        if not _driver_lives(plan):
            return {}
        running = {n for n in states.unfinished(plan) if states.read(plan, n)["state"] == "running"}
        waiting = states.unfinished(plan)
        return {n: "running" if n in running else "queued" for n in waiting}

    def stop_words(self, plan: Plan) -> str:
        """The command that ends the driver, and with it all tasks."""
        return f"kill {paths.read_json(plan.folder / DRIVER)['pid']}"


def _no_driver(plan: Plan) -> SegkitError:
    log = plan.logs / "ray-driver.log"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return SegkitError("Ray did not start", lines[-1] if lines else None, f"See {log}.")


def _driver(plan: Plan) -> list[str]:
    return [plan.python, "-u", "-m", "segkit.engine.launching.raying", plan.out]


def _driver_lives(plan: Plan) -> bool:
    file = plan.folder / DRIVER
    try:
        facts, age = json.loads(file.read_text()), time.time() - file.stat().st_mtime
    except (OSError, ValueError):
        return False
    if facts["host"] != platform.node():
        return age < SILENCE
    return age < SILENCE and paths.process_lives(facts["pid"])


# --- the driver ---


def drive(out: Path) -> int:
    """Send every task that is not over, wait for all of them, and put the results together."""
    plan = plans.read(out)
    os.environ.update(plan.environment)
    made = settings.RaySettings(**plan.settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    file = paths.write_json(plan.folder / DRIVER, {"host": platform.node(), "pid": os.getpid()})
    threading.Thread(target=_beat, args=(file,), daemon=True).start()
    ray = _ray(made)
    try:
        send = ray.remote(
            num_cpus=made.num_cpus,
            num_gpus=made.num_gpus or None,
            memory=settings.bytes_of(made.memory),
            max_retries=plan.tries - 1,
            retry_exceptions=[Died],
        )(carry_out)
        names = dict(enumerate(plan.tasks))
        numbers = states.unfinished(plan)
        waiting = [send.options(name=names[n].name).remote(plan.out, n) for n in numbers]
        codes = [_code(ray, *pair, plan) for pair in zip(waiting, numbers, strict=True)]
    finally:
        file.unlink(missing_ok=True)
    from segkit.engine.launching.conclude import conclude

    conclude(plan)
    return max(codes, default=0)


def _code(ray: Any, reference: Any, number: int, plan: Plan) -> int:
    """The exit code of a task; one that died too often is a failed one."""
    try:
        return int(ray.get(reference))
    except (Died, ray.exceptions.RayError) as error:
        why = f"it died {plan.tries} times: {str(error).strip().splitlines()[-1]}"
        states.say(plan, number, states.FAILED, reason=why)
        print(f"{plan.tasks[number].name}: {why}", flush=True)
        return 1


def _ray(made: settings.RaySettings) -> Any:
    """Ray, connected or started here; it must not carry our variables to tasks of others."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    more: dict[str, Any] = {"address": made.address} if made.address else {}
    if not made.address:
        more |= {"num_cpus": made.machine_cpus or None, "include_dashboard": False}
    ray.init(log_to_driver=False, configure_logging=False, **more)
    return ray


def _beat(file: Path) -> None:
    while True:
        time.sleep(BEAT)
        try:
            os.utime(file)
        except FileNotFoundError:
            return


# --- in a Ray worker ---


class Died(Exception):
    """The child was killed, or saved its state and stopped: Ray is to send the task again."""


def carry_out(out: str, number: int) -> int:
    """One task as a child process; its words go to its log."""
    plan = plans.read(Path(out))
    words = [*command_of(plan), str(number), "--parent", str(os.getpid())]
    variables = {**os.environ, **plan.environment, "SEGKIT_RAY_TASK": str(number)}
    with open(plan.logs / f"ray-{number:03d}.log", "ab") as log:
        process = subprocess.Popen(words, env=variables, stdout=log, stderr=log, cwd=plan.directory)
        try:
            code = process.wait()
        except BaseException:  # the task is cancelled
            process.terminate()
            process.wait()
            raise
    if code < 0 or code >= 128:
        raise Died(f"task {number} ended with exit code {code}")
    return code


if __name__ == "__main__":
    # under its own name: what Ray pickles by name, its workers must find
    from segkit.engine.launching import raying

    sys.exit(raying.drive(Path(sys.argv[1])))
