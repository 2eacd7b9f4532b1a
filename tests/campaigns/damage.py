"""Ways to damage a file, each a function of its bytes and a seed, as disks and kills do."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Damage = Callable[[bytes, random.Random], bytes | None]  # None: the file is gone


def _flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(max(1, len(data) // 2000)):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _retyped(data: bytes, dice: random.Random) -> bytes:
    """One value of a JSON document becomes one of another kind; else as `_flipped`."""
    try:
        document = json.loads(data)
    except ValueError:
        return _flipped(data, dice)
    places = list(_places(document))
    if not places:
        return b"[]"
    holder, key = dice.choice(places)
    holder[key] = dice.choice([None, -1, "x", [], {}, 1e308, True, [[1]], {"a": None}])
    return json.dumps(document).encode()


def _without(data: bytes, dice: random.Random) -> bytes:
    """One entry of a JSON document is missing."""
    try:
        document = json.loads(data)
    except ValueError:
        return data[: len(data) // 3] + data[len(data) // 2 :]
    places = [(holder, key) for holder, key in _places(document) if isinstance(holder, dict)]
    if places:
        holder, key = dice.choice(places)
        del holder[key]
    return json.dumps(document).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


DAMAGES: dict[str, Damage] = {
    "gone": lambda data, dice: None,
    "empty": lambda data, dice: b"",
    "cut": lambda data, dice: data[: dice.randrange(max(1, len(data)))],
    "flipped": _flipped,
    "zeros": lambda data, dice: bytes(len(data)),
    "text": lambda data, dice: b"not what was expected\n",
    "null": lambda data, dice: b"null",
    "list": lambda data, dice: b"[1, 2]",
    "not utf-8": lambda data, dice: b"\xff\xfe" + data,
    "retyped": _retyped,
    "without": _without,
}
