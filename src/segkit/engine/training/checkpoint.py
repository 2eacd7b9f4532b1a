"""`last.pt` (everything that a fold needs to go on) and `best.safetensors` (weights only).

Both are written whole or not at all.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segkit import paths
from segkit.errors import SegkitError, UsageError
from segkit.recipe import differing_keys

# settings that change nothing in the result
UNREADABLE = (  # what torch raises on a file that was cut, altered or exchanged
    OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError,
    AttributeError, AssertionError, EOFError, OverflowError, pickle.UnpicklingError,
)  # fmt: skip
FREE = ("train.save_minutes", "train.trials", "data.cache")


def save_last(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state; the bytes are complete before the old file is replaced."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with paths.replacing(path, durable=True) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_last(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a state that `save_last` wrote."""
    cure = "Delete it to begin this fold anew."
    if not paths.is_zip(path):
        raise SegkitError(f"{path} cannot be read", "it is not a whole checkpoint", cure)
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except UNREADABLE as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise SegkitError(f"{path} cannot be read", why, cure) from error
    if not isinstance(state, dict):
        raise SegkitError(f"{path} cannot be read", "it holds no state of a training", cure)
    return state


def save_best(path: Path, network: nn.Module, notes: Mapping[str, Any]) -> None:
    """Write the weights with the epoch and score that they stand for."""
    from safetensors.torch import save

    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }
    # one key only: the order of several is not the same from call to call
    data = save(tensors, metadata={"segkit": json.dumps(dict(notes))})
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data)


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of torch's generators (data draws need none: they are functions of the sample)."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put the generators where they were."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Resuming under another recipe would give a run that is neither: name what differs."""
    changed = [key for key in differing_keys(before, now) if key not in FREE]
    if changed:
        raise UsageError(
            "the recipe is not that of the run",
            "differs in " + ", ".join(changed),
            "Resume with the same settings, or start a new run with --out.",
        )
