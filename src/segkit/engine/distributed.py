"""Several processes: torch.distributed as torchrun or SLURM sets it up, and nothing beneath it."""

from __future__ import annotations

import gc
import os
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from segkit.engine import lifeline

Value = TypeVar("Value")


def wanted() -> bool:
    """Whether this process is one of several (torchrun, or SLURM with several tasks)."""
    return int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1) > 1


def join(device: str = "auto") -> torch.device | None:
    """Join the group that the environment describes; this process's device, or None when alone."""
    if not wanted():
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
        dist.init_process_group("nccl" if on_gpu else "gloo")
    return place


def _translate_slurm() -> None:
    """SLURM names the same things differently."""
    names = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
    for ours, theirs in names.items():
        if ours not in os.environ and theirs in os.environ:
            os.environ[ours] = os.environ[theirs]
    os.environ.setdefault("MASTER_ADDR", os.environ.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1"))
    os.environ.setdefault("MASTER_PORT", "29400")


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
