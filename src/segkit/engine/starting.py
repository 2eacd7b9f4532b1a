"""Start a network from other weights: a run, a trained network, a file, or known weights by name.

What fits is loaded; everything else is in the report: nothing happens silently. An architecture's
`starts` say how the names of known weights become its own: patterns with replacements, or a
function from one state to another. A local file is tried with every one of them, and as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.api import Lazy, resolve
from segkit.engine import pretrained, register
from segkit.engine.checkpoints import State, read_checkpoint
from segkit.engine.runs import open_run
from segkit.errors import SegkitError, UsageError

Renaming = Sequence[tuple[str, str]] | Callable[[State], State]
SHOWN = 5  # names per line of a report
TABLES = ("table", "position")  # of windows and of grids: resampled where the side differs


@dataclass(frozen=True)
class Start:
    """What was loaded from where, and what was not."""

    source: str
    loaded: tuple[str, ...]  # names in the network
    renamed: int  # of them, under another name in the file
    left: tuple[str, ...]  # entries of the file without a place
    misshapen: tuple[str, ...]  # name, its shape in the file, its shape in the network
    untouched: tuple[str, ...]  # names in the network that keep their fresh values
    resampled: tuple[str, ...] = ()  # of the loaded: tables that were of another side

    def lines(self) -> list[str]:
        """The report in words."""
        lines = [f"started from {self.source}: {len(self.loaded)} loaded, {self.renamed} renamed"]
        titles = {
            "resampled": "resampled",
            "misshapen": "shape differs",
            "left": "left out",
            "untouched": "not in it",
        }
        for field, title in titles.items():
            names = getattr(self, field)
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines += [f"{title} ({len(names)}): {', '.join(names[:SHOWN])}{more}"] if names else []
        return lines


def start_from(network: nn.Module, source: str, starts: Mapping[str, Lazy] | None = None) -> Start:
    """Load what fits of `FILE_OR_NAME[:part]` into the network."""
    name, part = _split(source)
    path = _place(name)
    state = _read(path)
    renamings = {key: resolve(lazy) for key, lazy in (starts or {}).items()}
    if name in pretrained.KNOWN and name in renamings:
        renamings = {name: renamings[name]}
    places = {k: v for k, v in network.state_dict().items() if k.startswith(part)}
    candidates = list(_candidates(state, renamings, places, part))
    best = max(candidates, key=lambda found: _fits(found, places))
    changed = _resampled(best, places)
    best |= {name: (best[name][0], value) for name, value in changed.items()}
    report = replace(_report(source, state, best, places), resampled=tuple(changed))
    if not report.loaded:
        raise SegkitError(f"nothing of {source} fits", "; ".join(report.lines()[1:]))
    taken = {name: best[name][1] for name in report.loaded}
    network.load_state_dict(taken, strict=False)
    return report


def _split(source: str) -> tuple[str, str]:
    """Name and part (with a dot at its end) of `NAME[:part]`."""
    name, colon, part = source.rpartition(":")
    if not colon or Path(source).exists() or "/" in part or "\\" in part:
        return source, ""
    return name, f"{part.rstrip('.')}."


def _place(name: str) -> Path:
    if not Path(name).exists() and name in pretrained.KNOWN:
        return pretrained.fetch(pretrained.KNOWN[name])
    path = register.place(name)
    return open_run(path).fold().best if path.is_dir() else path


def _read(path: Path) -> State:
    if path.suffix != ".npz":
        return read_checkpoint(path)
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", str(error).splitlines()[0]) from error


Found = dict[str, tuple[str, Tensor]]  # name in the network -> (name in the file, tensor)


def _candidates(
    state: State, renamings: Mapping[str, Renaming], places: State, part: str
) -> Iterator[Found]:
    """The file's entries under our names, in every way that is known."""
    prefixes = {part, ""} | {f"{name.partition('.')[0]}." for name in places if not part}
    for prefix in sorted(prefixes):
        yield {prefix + key: (key, value) for key, value in state.items()}
    for renaming in renamings.values():
        if callable(renaming):
            yield {key: (key, value) for key, value in renaming(state).items()}
        else:
            yield _renamed(state, renaming)


def _renamed(state: State, rules: Sequence[tuple[str, str]]) -> Found:
    """Every rule that matches a whole name gives it one place; there may be several."""
    found: Found = {}
    for key, value in state.items():
        for pattern, replacement in rules:
            match = re.fullmatch(pattern, key)
            if match:
                found[match.expand(replacement)] = (key, value)
    return found


def _fits(found: Found, places: State) -> int:
    return sum(k in places and v.shape == places[k].shape for k, (_, v) in found.items())


def _resampled(found: Found, places: State) -> dict[str, Tensor]:
    """Square tables of another side at the network's."""
    changed = {}
    for name, (_, value) in found.items():
        if name.rpartition(".")[2] in TABLES and name in places:
            shape = places[name].shape
            if value.shape != shape and (new := _at_side(value, shape)) is not None:
                changed[name] = new
    return changed


def _at_side(value: Tensor, shape: torch.Size) -> Tensor | None:
    """Rows of a grid, (R, C) or (1, R, C), at another number of rows; None if none is a square."""
    rows = value.shape[-2] if value.ndim in (2, 3) else 0
    wanted = shape[-2] if len(shape) == value.ndim else 0
    sides = math.isqrt(rows), math.isqrt(wanted)
    if [side**2 for side in sides] != [rows, wanted] or 0 in sides:
        return None
    if value.shape[-1] != shape[-1]:
        return None
    grid = value.reshape(1, sides[0], sides[0], -1).permute(0, 3, 1, 2).float()
    grid = F.interpolate(grid, (sides[1], sides[1]), mode="bicubic", align_corners=True)
    return grid.permute(0, 2, 3, 1).reshape(shape).to(value.dtype)


def _report(source: str, state: State, found: Found, places: State) -> Start:
    shared = {name: pair for name, pair in found.items() if name in places}
    loaded = tuple(n for n, (_, value) in shared.items() if value.shape == places[n].shape)
    used = {key for key, _ in shared.values()}
    translated = any(key not in state for key in used)  # by a function: names are not the file's
    return Start(
        source,
        loaded,
        renamed=sum(shared[name][0] != name for name in loaded) if not translated else len(loaded),
        left=() if translated else tuple(key for key in state if key not in used),
        misshapen=tuple(
            f"{name} {tuple(value.shape)} for {tuple(places[name].shape)}"
            for name, (_, value) in shared.items()
            if value.shape != places[name].shape
        ),
        untouched=tuple(name for name in places if name not in shared),
    )
