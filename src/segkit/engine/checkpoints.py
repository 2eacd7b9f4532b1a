"""Checkpoint files as people have them: read without running anything, unwrapped, cleaned.

What was taken off (a wrapper, a prefix, counters of a profiler, half precision) is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit.errors import SegkitError, UsageError, unknown

State = dict[str, Tensor]
# where programs keep a set of weights, the first that is there is taken
WRAPPERS = (
    "state_dict_model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network_weights",
    "net",
    "network",
    "params",
    "weights",
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "ema",
    "shadow",
    "module",
)
NOT_WEIGHTS = re.compile(r"optim|sched|scaler|criterion|grad|param_groups", re.IGNORECASE)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "student.")
COMPILED = "_orig_mod."  # torch.compile writes it inside of names, too
COUNTERS = re.compile(r"(.*\.)?(total_ops|total_params|n_averaged)")
WHOLE = "the file itself"
DEEPEST = 20  # mappings in mappings


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file and what was done to get at them."""

    state: State
    taken: str = WHOLE  # the set of weights in it
    others: tuple[str, ...] = ()  # sets that were left
    said: tuple[str, ...] = ()  # what was taken off, in words
    layers: tuple[str, ...] = field(default=())  # prefixes that all names have, outermost first

    def views(self) -> Iterator[tuple[tuple[str, ...], State]]:
        """The state with 0, 1, … of the common prefixes taken off: which fits is for others."""
        state = self.state
        yield (), state
        for number, prefix in enumerate(self.layers, 1):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
            yield self.layers[:number], state


def open_checkpoint(path: Path, wanted: str | None = None) -> Checkpoint:
    """The weights of a file; `wanted` names the set where it holds several."""
    content = _read(path)
    sets = dict(_sets(content)) if isinstance(content, Mapping) else {}
    if not sets:
        raise SegkitError(f"{path} holds no tensors by name", "it is no state_dict")
    if wanted is not None and wanted not in sets:
        raise unknown(f"set of weights in {path.name}", wanted, sets)
    taken = wanted or min(sets, key=_rank)
    state, said = _cleaned(sets[taken])
    if not state:
        raise SegkitError(f"{path} holds no weights", f"'{taken}' has counters only")
    _refuse_nan(path, state)
    others = tuple(name for name in sets if name != taken)
    return Checkpoint(state, taken, others, said, tuple(_layers(state)))


def read_checkpoint(path: Path) -> State:
    """The tensors of a file under the names that they have there."""
    return open_checkpoint(path).state


# --- reading ---


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    beginning = path.open("rb").read(64)
    reason = _no_checkpoint(beginning)
    if reason:
        raise SegkitError(f"{path} is no checkpoint", reason, "Download the file itself again.")
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    except SegkitError:
        raise
    except Exception as error:  # both readers raise what their parser met
        if asks := _asks_for_code(str(error)):
            raise _needs_code(path, asks) from error
        raise SegkitError(
            f"{path} cannot be read", "it is damaged, cut off, or no checkpoint of torch"
        ) from error


def _no_checkpoint(beginning: bytes) -> str:
    """What a file is that people take for a checkpoint."""
    text = beginning.lstrip().lower()
    if not beginning:
        return "it is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page: the download was refused or needs a login"
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file (git lfs pull)"
    return ""


def _safetensors(path: Path) -> State:
    from safetensors.torch import load_file

    return load_file(path)


def _torch(path: Path) -> Any:
    with torch.serialization.safe_globals(_harmless()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _harmless() -> list[Any]:
    """What training programs keep beside the weights and what runs nothing."""
    import argparse
    import collections

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
    numbers = [*kinds, type(np.dtype(np.int64)), (scalar, "numpy.core.multiarray.scalar"), scalar]
    return [*numbers, argparse.Namespace, collections.defaultdict, dict]


def _asks_for_code(message: str) -> str:
    """The first thing that a pickle wants to call, of torch's long refusal."""
    if "weights_only" not in message.lower() and "WeightsUnpickler" not in message:
        return ""
    found = re.search(r"GLOBAL ([\w.]+)", message)
    return found[1] if found else "something that is no tensor"


def _needs_code(path: Path, asks: str) -> SegkitError:
    return SegkitError(
        f"{path} holds Python objects ({asks}), not weights alone",
        "reading it would run code, so segkit does not",
        "If you trust it, where its program is installed: "
        f"c = torch.load('{path.name}', weights_only=False)\n"
        "torch.save(c.state_dict() if hasattr(c, 'state_dict') else "
        "c['model'].state_dict(), 'weights.pth')",
    )


# --- unwrapping ---


def _sets(
    content: Mapping[Any, Any], path: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, State]]:
    """Every mapping of names to tensors in a nested file, by its path.

    A mapping that contains itself is passed over, and so is what lies deeper than anybody nests.
    """
    if id(content) in above or len(above) > DEEPEST:
        return
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    inner = {
        str(k): v
        for k, v in content.items()
        if isinstance(v, Mapping) and isinstance(k, str) and not NOT_WEIGHTS.search(k)
    }
    if state and (path or len(state) > 1 or not inner):
        yield path or WHOLE, state
    for key, value in inner.items():
        yield from _sets(value, f"{path}.{key}" if path else key, (*above, id(content)))


def _rank(path: str) -> tuple[int, int]:
    """Known wrappers first, in their order; averaged sets after plain ones."""
    pieces = path.split(".")
    ranks = [WRAPPERS.index(piece) for piece in pieces if piece in WRAPPERS]
    return (0 if path == WHOLE else max(ranks, default=len(WRAPPERS))), len(pieces)


def _cleaned(state: State) -> tuple[State, tuple[str, ...]]:
    """Without counters and the compiler's marks, in single precision at least."""
    said = []
    kept = {name: value for name, value in state.items() if not COUNTERS.fullmatch(name)}
    if len(kept) < len(state):
        said.append(f"{len(state) - len(kept)} counters of a profiler or an average left out")
    if any(COMPILED in name for name in kept):
        kept = {name.replace(COMPILED, ""): value for name, value in kept.items()}
        said.append(f"'{COMPILED}' taken off")
    halves = {value.dtype for value in kept.values()} & {torch.float16, torch.bfloat16}
    if halves:
        kept = {k: v.float() if v.dtype in halves else v for k, v in kept.items()}
        said.append(f"{', '.join(sorted(str(h) for h in halves))} widened to float32")
    return kept, tuple(said)


def _layers(state: State) -> Iterator[str]:
    """The prefixes that all names share, outermost first."""
    names = list(state)
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in names)), ""):
        yield prefix
        names = [name.removeprefix(prefix) for name in names]


def _refuse_nan(path: Path, state: State) -> None:
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise SegkitError(
            f"{path} holds numbers that are not finite",
            f"{broken[0]}{more}",
            "Its training broke down: take an earlier checkpoint.",
        )


def read_safetensors(path: Path) -> State:
    """The tensors of a safetensors file of ours, names as they are, or what is wrong with it."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        cure = "Nothing was loaded. Take another copy of the file."
        raise SegkitError(f"{path} is no whole safetensors file", why, cure) from error
