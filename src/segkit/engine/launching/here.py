"""This machine: the tasks of a plan one after another, as a shell script or as processes."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from segkit import paths
from segkit.engine.launching import states
from segkit.engine.launching.plan import Plan

HEAD = """#!/bin/bash
# The tasks of a segkit plan, one after another; run it again to go on where it stopped.
set -u
status=0
for number in {numbers}; do
  {command} "$number" --parent $$ || status=$?  # it ends with this script
  [ $status -lt 128 ] || break
done
exit $status
"""


class Here:
    """The launcher `here`."""

    def script(self, plan: Plan, numbers: Sequence[int]) -> str:
        """A shell script that carries these tasks out."""
        command = shlex.join(command_of(plan))
        return HEAD.format(numbers=" ".join(map(str, numbers)), command=command)

    def send(self, plan: Plan, numbers: Sequence[int]) -> None:
        """Carry these tasks out, and come back when they are over."""
        mine = ["--parent", str(os.getpid())]
        for number in numbers:
            if subprocess.call([*command_of(plan), str(number), *mine]) >= 128:
                break

    def alive(self, plan: Plan) -> dict[int, str]:
        """The task whose process is alive on this machine."""
        known = {n: states.read(plan, n) for n in range(len(plan.tasks))}
        return {
            n: "running"
            for n, said in known.items()
            if said.get("pid") and paths.process_lives(said["pid"])
        }


def command_of(plan: Plan) -> list[str]:
    """The worker, without its number."""
    return [plan.python, "-u", "-m", "segkit.engine.launching.worker", plan.out]
