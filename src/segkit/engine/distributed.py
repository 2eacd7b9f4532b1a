"""Several processes: torch.distributed as torchrun or SLURM sets it up, and nothing beneath it."""

from __future__ import annotations

import gc
import os
import re
import socket
import subprocess
import time
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from segkit.engine import group, lifeline
from segkit.errors import SegkitError

JOIN_SECONDS = 180.0  # how long the others may take: nodes of one job do not start together

Value = TypeVar("Value")


def join(device: str = "auto") -> torch.device | None:
    """Join the group that the environment describes; this process's device, or None when alone."""
    if not group.wanted():
        return None
    lifeline.follow()
    _translate_slurm()
    local = int(os.environ.get("LOCAL_RANK", 0))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    place = (
        torch.device("cuda", local % torch.cuda.device_count()) if on_gpu else torch.device("cpu")
    )
    if on_gpu:
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        _meet("nccl" if on_gpu else "gloo")
    return place


def _meet(backend: str) -> None:
    """Find the others, or say in one line who did not come."""
    seconds = float(os.environ.get("SEGKIT_JOIN_SECONDS") or JOIN_SECONDS)
    mine, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = _store(mine, world, seconds)
    names = [f"segkit/here/{number}" for number in range(world)]
    store.set(names[mine], "yes")
    begun = time.monotonic()
    while absent := [number for number in range(world) if not store.check([names[number]])]:
        if time.monotonic() - begun > seconds:
            raise _nobody_came(absent, world, seconds)
        time.sleep(0.1)
    dist.init_process_group(backend, store=store, rank=mine, world_size=world)


def _store(mine: int, world: int, seconds: float) -> Any:
    """Where the processes leave word for one another: torchrun's, or that of rank 0."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return next(iter(dist.rendezvous("env://")))[0]
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if mine and not _answers(host, port, seconds):  # torch would say so in sixty lines
        raise _nobody_came([0], world, seconds)
    timeout = timedelta(seconds=seconds)
    try:
        return dist.TCPStore(host, port, world, mine == 0, timeout, wait_for_workers=False)
    except dist.DistNetworkError as error:
        raise SegkitError(
            f"rank {mine} cannot open {host}:{port}",
            str(error).splitlines()[0],
            "Another job may hold the port: set MASTER_PORT to a free one, on every node.",
        ) from error


def _answers(host: str, port: int, seconds: float) -> bool:
    """Whether anybody listens there before the time is up."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return True
        except OSError:
            time.sleep(0.5)
    return False


def _nobody_came(absent: list[int], world: int, seconds: float) -> SegkitError:
    who = ", ".join(map(str, absent))
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    return SegkitError(
        f"the group of {world} processes did not come together in {seconds:.0f} s",
        f"rank {who} did not come to {where}",
        "Start every process (srun, or torchrun on each node), and let the nodes reach that port.",
    )


def _translate_slurm() -> None:
    """SLURM names the same things differently."""
    names = {
        "RANK": "SLURM_PROCID",
        "WORLD_SIZE": "SLURM_STEP_NUM_TASKS",
        "LOCAL_RANK": "SLURM_LOCALID",
    }
    for ours, theirs in names.items():
        if ours not in os.environ and theirs in os.environ:
            os.environ[ours] = os.environ[theirs]
    os.environ.setdefault("MASTER_ADDR", _first_host())
    # two jobs on one node must not meet each other
    job = int(os.environ.get("SLURM_JOB_ID") or 0)
    os.environ.setdefault("MASTER_PORT", str(20_000 + job % 12_000))


def _first_host() -> str:
    """Where rank 0 is: the first node of the step, not the one that srun was called on."""
    nodes = os.environ.get("SLURM_STEP_NODELIST", "")
    if not re.search(r"[\[,]", nodes):
        return nodes or "127.0.0.1"
    command = ["scontrol", "show", "hostnames", nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def leave() -> None:
    """Leave the group, if there is one.

    A wrapped network that nobody uses any more is in a cycle and holds the group: without the
    collection, threads of the group now and then outlive the interpreter, which aborts the process.
    """
    if _on():
        gc.collect()
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if _on() else 0


def world() -> int:
    return dist.get_world_size() if _on() else 1


def is_main() -> bool:
    """Rank 0 writes the files and speaks."""
    return rank() == 0


def _on() -> bool:
    return dist.is_available() and dist.is_initialized()


def gather_dict(mine: dict[Any, Any]) -> dict[Any, Any]:
    """The union of all processes' dictionaries, on every process."""
    if world() == 1:
        return mine
    parts: list[Any] = [None] * world()
    dist.all_gather_object(parts, mine)
    return {key: value for part in parts for key, value in part.items()}


def agree(value: Value) -> Value:
    """Rank 0's value, on every process."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set on any process."""
    if world() == 1:
        return flag
    tensor = torch.tensor([float(flag)], device=device)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return bool(tensor.item())


def total(value: float, device: torch.device) -> float:
    """The sum over processes."""
    if world() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return float(tensor.item())


def same_buffers(network: nn.Module) -> None:
    """Rank 0's buffers (batch-norm statistics) on every process."""
    if world() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)


def wait() -> None:
    """Until all processes are here."""
    if world() > 1:
        dist.barrier()
