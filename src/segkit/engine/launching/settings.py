"""`--cluster FILE`: the few facts about a cluster that segkit cannot know. TOML, no torch.

[slurm]
partition = "gpu"
time = "12:00:00"
gres = "gpu:1"
cpus = 4

[ray]
num_gpus = 0.25     # four small networks on one card
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.errors import UsageError
from segkit.recipe import fill, read_settings

USUAL = Path("cluster.toml")


@dataclass(frozen=True)
class SlurmSettings:
    """What stands at the head of the batch script."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = "24:00:00"  # D-HH:MM:SS, HH:MM:SS, MM:SS or minutes, as sbatch takes it
    gres: str = ""  # "gpu:1"
    cpus: int = 1  # for each task; its threads, too, unless OMP_NUM_THREADS is set
    memory: str = ""  # "16G"
    at_once: int = 0  # tasks of the array that run together; 0: all that fit
    container: str = ""  # a .sif file (apptainer), or an image of the pyxis plugin
    python: str = ""  # the interpreter in the container, or of another environment
    setup: tuple[str, ...] = ()  # lines of shell before the task: module load …
    extra: tuple[str, ...] = ()  # more "#SBATCH" options: "--exclude=node7"
    grace: int = 90  # seconds before the time limit at which the state is saved
    tries: int = 5  # how often one task is sent at most
    cache: str = ""  # folder on the node's own disk for a copy of the prepared set

    def __post_init__(self) -> None:
        minutes(self.time)
        strange = [line for line in self.extra if not re.match(r"--[a-z]", line)]
        if strange:
            raise ValueError(
                f"extra = [{strange[0]!r}]: write options as sbatch has them, --name=…"
            )


@dataclass(frozen=True)
class RaySettings:
    """What one task takes of a Ray cluster."""

    address: str = ""  # "auto", "ray://host:10001"; empty starts Ray on this machine
    num_cpus: float = 1.0  # for each task
    num_gpus: float = 0.0  # a fraction lets several small networks share a card
    memory: str = ""  # "4G"
    machine_cpus: int = 0  # of the Ray that is started here; 0: all
    tries: int = 5
    cache: str = ""

    def __post_init__(self) -> None:
        if self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise ValueError(f"num_gpus = {self.num_gpus}: above one, Ray takes whole cards only")


@dataclass(frozen=True)
class HereSettings:
    """This machine needs no settings."""

    tries: int = 1
    cache: str = ""


def read(name: str, kind: type, file: Path | None) -> tuple[Any, str]:
    """The settings of a launcher, and a line that says where they are from."""
    if file is None and not USUAL.is_file():
        return kind(), ""
    chosen = file or USUAL
    content = read_settings(str(chosen))
    if any(not isinstance(value, dict) for value in content.values()):
        raise UsageError(f"{chosen} has settings outside of a section", None, f"Write [{name}].")
    return fill(kind, content.get(name, {}), name), f"cluster: [{name}] of {chosen}"


def minutes(text: str) -> int:
    """`D-HH:MM:SS`, `HH:MM:SS`, `MM:SS` or minutes, as sbatch reads them, in whole minutes."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not match:
        raise ValueError(f"time = {text!r}: write minutes, HH:MM:SS or D-HH:MM:SS")
    days, *rest = (int(part) if part else 0 for part in match.groups())
    given = sum(part is not None for part in match.groups()[1:])
    if match[1] is not None or given == 3:  # with days, hours come first
        seconds = rest[0] * 3600 + rest[1] * 60 + rest[2]
    else:
        seconds = rest[0] * 60 + rest[1]
    return max(1, -(-(days * 86400 + seconds) // 60))


def bytes_of(text: str) -> int | None:
    """`4G` in bytes; None for nothing."""
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"memory = {text!r} is not understood", "write 4G or 900M")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
