"""How the tensors of a file fit a network: which layout, which settings, what is left or missing.

Nothing is built with numbers: shapes are compared with a network on torch's meta device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from segkit import build
from segkit.api import resolve
from segkit.engine.checkpoints import Checkpoint, State
from segkit.engine.outline import outline
from segkit.errors import SegkitError, UsageError, unknown
from segkit.nn.renaming import Layout

OURS = "segkit"  # the layout of our own names, known for every network
COUNTER = "num_batches_tracked"
TRAINING_ONLY = ("drop_path", "dropout", "drop")
SHOWN = 5  # names per line of a report


@dataclass(frozen=True)
class Report:
    """How a state fits a network."""

    layout: str
    fitting: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    ignored: int = 0  # entries that the layout leaves out on purpose
    said: tuple[str, ...] = ()  # what was done to the file's tensors
    untold: tuple[str, ...] = ()  # settings of the network that no shape shows

    @property
    def strict(self) -> bool:
        """Every tensor has its place, and every place its tensor."""
        return not (self.missing or self.unexpected or self.misshapen)

    def problems(self) -> list[str]:
        """What fits and what does not."""
        left = f", {self.ignored} left out" if self.ignored else ""
        lines = [f"layout {self.layout}: {self.fitting} tensors fit{left}"]
        for kind in ("missing", "unexpected", "misshapen"):
            names = getattr(self, kind)
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines += [f"{kind}: {', '.join(names[:SHOWN])}{more}"] if names else []
        return lines

    def lines(self) -> list[str]:
        """The report in words."""
        lines = [*self.problems(), *self.said]
        if self.untold:
            settings = ", ".join(self.untold)
            lines.append(f"no shape shows {settings}; if it was otherwise: --set model.NAME=VALUE")
        return lines


@dataclass(frozen=True)
class BestFit:
    """The best way to read a file as this network."""

    layout: str
    part: str  # "" for a whole network
    state: State  # under our names
    ignored: int
    settings: Mapping[str, Any]  # as the state tells them
    stripped: tuple[str, ...]  # prefixes taken off


# --- which layout ---


def layouts(name: str) -> Mapping[str, Any]:
    """The checkpoint layouts of an architecture by name; our own names are the last."""
    weights = build.architecture(name).weights
    found = resolve(weights) if weights is not None else {}
    named = found if isinstance(found, Mapping) else {"original": found}
    return {**named, OURS: Layout()}


def find(name: str, file: Path, checkpoint: Checkpoint, wanted: str | None = None) -> BestFit:
    """The layout (and the depth of wrapping) under which most names fit."""
    known = layouts(name)
    if wanted is not None and wanted not in known:
        if wanted == "original":
            raise UsageError(f"no released layout of {name} is known", f"known: {', '.join(known)}")
        raise unknown(f"layout of {name}", wanted, known)
    tried = {key: known[key] for key in ([wanted] if wanted else known)}
    ways = [(key, *way) for key in tried for way in _ways(tried[key], checkpoint)]
    key, stripped, view, state = max(ways, key=lambda way: _known(name, known[way[0]], way[3]))
    if not _known(name, known[key], state):
        some = ", ".join(list(checkpoint.state)[:2])
        raise SegkitError(f"{file} is no checkpoint of {name}", f"no name fits ({some}, …)")
    rules = known[key]
    part = getattr(rules, "prefix", "")
    ignored = rules.left_out(view) if isinstance(rules, Layout) else max(0, len(view) - len(state))
    return BestFit(key, part, state, ignored, _settings(name, rules, state, part), stripped)


def _ways(rules: Any, checkpoint: Checkpoint) -> Iterator[tuple[tuple[str, ...], State, State]]:
    """Prefixes taken off, the file's names then, ours."""
    for stripped, view in checkpoint.views():
        yield stripped, view, rules.to_segkit(view)


def _known(name: str, rules: Any, state: State) -> int:
    """How many names of a state the network has, in the form that the layout is of."""
    try:
        told = rules.settings(state) if isinstance(rules, Layout) else {}
        return len(shapes(name, told).keys() & state.keys())
    except SegkitError:
        return 0  # what the file tells is not for this network


def shapes(name: str, settings: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Every tensor of a network with its shape."""
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    return _shapes(name, tuple(sorted(plain.items())))


@cache
def _shapes(name: str, settings: tuple[tuple[str, Any], ...]) -> dict[str, torch.Size]:
    network = outline(name, build.model_config(name, dict(settings)))
    return {key: value.shape for key, value in network.state_dict().items()}


# --- which settings ---


def _settings(name: str, rules: Any, state: State, part: str) -> dict[str, Any]:
    """What the layout tells, and what shapes tell of channels, classes and switches."""
    try:
        told = dict(rules.settings(state)) if hasattr(rules, "settings") else {}
    except KeyError as error:
        raise SegkitError(
            f"this is no checkpoint of {name}", f"it has no tensor {error}"
        ) from error
    if part or not isinstance(rules, Layout):
        return told
    for setting in ("in_channels", "num_classes"):
        if setting not in told:
            told |= _counted(name, setting, told, state)
    return told | _switched(name, told, state)


def _counted(name: str, setting: str, told: Mapping[str, Any], state: State) -> dict[str, int]:
    """A number that shapes grow with: read off the tensor that shows it."""
    usual = getattr(build.model_config(name), setting)
    one = shapes(name, told)
    try:
        more = shapes(name, {**told, setting: usual + 1})
    except SegkitError:
        return {}  # the network takes no other number
    for key in one.keys() & more.keys() & state.keys():
        for axis, (a, b) in enumerate(zip(one[key], more[key], strict=True)):
            if a != b and len(state[key].shape) == len(one[key]):
                value, rest = divmod(state[key].shape[axis] - a, b - a)
                if not rest and usual + value > 0:
                    return {setting: usual + value} if value else {}
    return {}


def _switched(name: str, told: Mapping[str, Any], state: State) -> dict[str, Any]:
    """A switch (yes or no, one of a few words) that makes the names fit better, if there is one."""
    best, chosen = _unfit(shapes(name, told), state), {}
    for setting, value in _alternatives(name) if best else ():
        try:
            unfit = _unfit(shapes(name, {**told, setting: value}), state)
        except SegkitError:
            continue
        if unfit < best:
            best, chosen = unfit, {setting: value}
    return chosen


def _unfit(places: Mapping[str, torch.Size], state: State) -> int:
    counters = {key for key in places.keys() - state.keys() if key.endswith(COUNTER)}
    odd = (places.keys() ^ state.keys()) - counters
    return len(odd) + sum(state[k].shape != places[k] for k in places.keys() & state.keys())


def _alternatives(name: str) -> Iterator[tuple[str, Any]]:
    """Every switch of a network in its other positions."""
    usual = build.model_config(name)
    hints = get_type_hints(type(usual))
    for field in dataclasses.fields(usual):
        value = getattr(usual, field.name)
        if isinstance(value, bool):
            yield field.name, not value
        elif get_origin(hints[field.name]) is Literal:
            yield from ((field.name, w) for w in get_args(hints[field.name]) if w != value)


# --- how it fits ---


def check(
    name: str, settings: Mapping[str, Any], found: BestFit, checkpoint: Checkpoint
) -> tuple[Report, State]:
    """The report, and the state with what every program can do without filled in."""
    places = {k: v for k, v in shapes(name, settings).items() if k.startswith(found.part)}
    state, filled = _with_counters(places, found.state)
    said = [*_about(checkpoint, found), *checkpoint.said]
    if filled:
        said.append(f"{filled} counters of batch norms ({COUNTER}) are not in it: set to 0")
    report = compare(places, state, found.layout)
    untold = () if found.part or not report.strict else tuple(_untold(name, settings))
    return dataclasses.replace(
        report, ignored=found.ignored, said=tuple(said), untold=untold
    ), state


def _with_counters(places: Mapping[str, torch.Size], state: State) -> tuple[State, int]:
    """Old programs do not store how many batches a norm has seen; only its momentum rule asks."""
    absent = [key for key in places if key.endswith(COUNTER) and key not in state]
    return state | {key: torch.zeros(places[key], dtype=torch.long) for key in absent}, len(absent)


def _about(checkpoint: Checkpoint, found: BestFit) -> Iterator[str]:
    if checkpoint.others:
        yield f"it holds several sets of weights: '{checkpoint.taken}' was taken"
        yield f"another is taken by --take: {', '.join(checkpoint.others)}"
    if found.stripped:
        yield f"prefix '{''.join(found.stripped)}' taken off"


def compare(places: Mapping[str, torch.Size], state: Mapping[str, Tensor], layout: str) -> Report:
    """Names and shapes of a state (our names) against those of a network."""
    shared = [name for name in state if name in places]
    misshapen = tuple(
        f"{name} {tuple(state[name].shape)} for {tuple(places[name])}"
        for name in shared
        if state[name].shape != places[name]
    )
    return Report(
        layout,
        fitting=len(shared) - len(misshapen),
        missing=tuple(sorted(places.keys() - state.keys())),
        unexpected=tuple(sorted(state.keys() - places.keys())),
        misshapen=misshapen,
    )


def _untold(name: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings that could be otherwise with the same names and shapes."""
    config = build.model_config(name, dict(settings))
    places = shapes(name, settings)
    for field in dataclasses.fields(config):
        if field.name in TRAINING_ONLY:
            continue
        value = getattr(config, field.name)
        other = _other(config, field.name, value)
        try:
            same = other is not None and shapes(name, {**settings, field.name: other}) == places
        except (SegkitError, RuntimeError, ValueError, AssertionError):
            continue  # it cannot be otherwise
        if same:
            yield f"{field.name}={value}"


def _other(config: Any, name: str, value: Any) -> Any:
    """A value that a setting could have instead; None where nothing can be said."""
    hint = get_type_hints(type(config))[name]
    if isinstance(value, bool):
        return not value
    if get_origin(hint) is Literal:
        return next((word for word in get_args(hint) if word != value), None)
    if isinstance(value, int):
        return value // 2 if value > 1 else value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.5
    return None
