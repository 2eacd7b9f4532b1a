"""Checkpoints of other programs as a table of names: theirs -> ours, and back without loss.

    LAYOUT = Layout(
        ("encoder{i}.0", "encoder.{i-1}"),    # {i} is a number; {i-1}, {i+2} and {5-i} count anew
        ("attn.key", "attn.kv[0]"),           # pieces of one tensor of ours, joined along the first
        ("attn.value", "attn.kv[1]"),         # dimension
        ("fc", "fc", "1x1"),                  # theirs is a 1x1 convolution, ours a linear layer
        ignored=(r".*relative_position_index",),  # what they store and nothing needs
    )

A rule holds for a name that begins with its left side and goes on with a dot, or ends there; the
first that holds counts. A name without a rule stays as it is, to be reported where it fits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Tensor]
NUMBER = re.compile(r"\{(?:(\d+)-)?([a-z])(?:([+-])(\d+))?\}")


@dataclass(frozen=True)
class Rule:
    """One line of a table, ready to match both ways."""

    old: str
    new: str
    form: str = ""  # "1x1": a convolution there and a linear layer here; "linear": the other way
    piece: int | None = None  # which part of a joined tensor

    @classmethod
    def of(cls, old: str, new: str, form: str = "") -> Rule:
        """From a line of a table."""
        match = re.fullmatch(r"(.*)\[(\d)\]", new)
        return cls(old, match[1], form, int(match[2])) if match else cls(old, new, form)

    def there(self, name: str) -> str | None:
        """Our name for one of theirs; None where the rule does not hold."""
        return _translate(name, self.old, self.new, back=False)

    def back(self, name: str) -> str | None:
        """Their name for one of ours."""
        return _translate(name, self.new, self.old, back=True)


def _translate(name: str, left: str, right: str, back: bool) -> str | None:
    match = re.match(_pattern(left), name)
    if match is None:
        return None
    ways = left if back else right  # counting is written on our side

    def number(found: re.Match[str]) -> str:
        letter = found[2]
        written = next((w for w in NUMBER.finditer(ways) if w[2] == letter), found)
        return str(_counted(int(match[letter]), written, back))

    return NUMBER.sub(number, right) + name[match.end() :]


def _pattern(template: str) -> str:
    """Numbers as groups; a name goes on with a dot or ends."""
    pieces, seen, end = [], set(), 0
    for found in NUMBER.finditer(template):
        pieces.append(re.escape(template[end : found.start()]))
        pieces.append(r"\d+" if found[2] in seen else rf"(?P<{found[2]}>\d+)")
        seen.add(found[2])
        end = found.end()
    return "".join([*pieces, re.escape(template[end:])]) + r"(?=\.|$)"


def _counted(value: int, way: re.Match[str], back: bool) -> int:
    if way[1]:  # {5-i}: its own inverse
        return int(way[1]) - value
    step = int(way[4] or 0) * (-1 if way[3] == "-" else 1)
    return value - step if back else value + step


class Layout:
    """A table with both directions; `prefix` is the part of the network that it covers."""

    def __init__(
        self,
        *rules: tuple[str, ...],
        ignored: tuple[str, ...] = (),
        prefix: str = "",
        told: Callable[[State], Mapping[str, Any]] | None = None,
    ):
        self.rules = tuple(Rule.of(*rule) for rule in rules)
        self.ignored, self.prefix, self.told = ignored, prefix, told

    def settings(self, state: State) -> dict[str, Any]:
        """What a state (our names) tells of its network, beyond what shapes tell by themselves."""
        return dict(self.told(state)) if self.told else {}

    def left_out(self, state: State) -> int:
        """How many entries are ignored on purpose."""
        return sum(any(re.fullmatch(p, name) for p in self.ignored) for name in state)

    def to_segkit(self, state: State) -> dict[str, Tensor]:
        """The state under our names, without what is ignored."""
        found: dict[str, Tensor] = {}
        pieces: dict[str, dict[int, Tensor]] = {}
        for name, value in state.items():
            if any(re.fullmatch(pattern, name) for pattern in self.ignored):
                continue
            rule, ours = self._there(name)
            if rule is None or rule.piece is None:
                found[ours] = _formed(value, rule.form if rule else "")
            else:
                pieces.setdefault(ours, {})[rule.piece] = value
        joined = {name: _joined(parts) for name, parts in pieces.items()}
        return found | joined

    def _there(self, name: str) -> tuple[Rule | None, str]:
        for rule in self.rules:
            if (ours := rule.there(name)) is not None:
                return rule, ours
        return None, name

    def to_original(self, state: State) -> dict[str, Tensor]:
        """The state under their names."""
        found: dict[str, Tensor] = {}
        for name, value in state.items():
            holding = [(r, theirs) for r in self.rules if (theirs := r.back(name)) is not None]
            if not holding:
                found[name] = value
            elif holding[0][0].piece is None:
                found[holding[0][1]] = _formed(value, _other_way(holding[0][0].form))
            else:
                parts = [(rule, theirs) for rule, theirs in holding if rule.piece is not None]
                for rule, theirs in parts:
                    found[theirs] = value.chunk(len(parts))[rule.piece or 0].contiguous()
        return found


def _joined(parts: Mapping[int, Tensor]) -> Tensor:
    return torch.cat([parts[number] for number in sorted(parts)])


def _formed(value: Tensor, form: str) -> Tensor:
    """Weights between a linear layer (two dimensions) and a 1x1 convolution (four)."""
    if form == "1x1" and value.ndim == 4:
        return value.flatten(1)
    if form == "linear" and value.ndim == 2:
        return value[..., None, None]
    return value


def _other_way(form: str) -> str:
    return {"1x1": "linear", "linear": "1x1"}.get(form, form)
