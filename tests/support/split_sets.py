"""Sets to split, without pictures."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from segkit.data.splitting.splits import Fold


def prepared(
    name: str,
    ids: Sequence[str],
    *,
    part: Any = "all",
    cls: Any = None,
    group: Any = None,
    twins: Sequence[tuple[str, str, str]] = (),
) -> Any:
    """What a split needs of a prepared set; part, cls and group are values or functions of
    the id.
    """

    def of(value: Any, item: str) -> Any:
        return value(item) if callable(value) else value

    items = [
        {
            "id": item,
            "part": of(part, item),
            "cls": of(cls, item),
            "group": of(group, item),
            "share": (k % 10) / 10,
        }
        for k, item in enumerate(sorted(ids))
    ]
    found = [{"one": a, "other": b, "kind": k, "score": 1.0} for a, b, k in twins]
    manifest = {"duplicates": found}
    return SimpleNamespace(name=name, items=items, ids=sorted(ids), manifest=manifest, details=())


def ids(count: int, prefix: str = "p") -> list[str]:
    return [f"{prefix}{k:04d}" for k in range(count)]


def isic(year: str, **parts: int) -> Any:
    names = {f"ISIC_{k:07d}": part for part, k in _numbered(parts)}
    return prepared(f"isic{year}", list(names), part=names.__getitem__)


def _numbered(parts: dict[str, int]) -> list[tuple[str, int]]:
    labels = [part for part, count in parts.items() for _ in range(count)]
    return [(part, k) for k, part in enumerate(labels)]


def busi_set() -> Any:
    names = [f"benign ({k})" for k in range(1, 438)]
    names += [f"malignant ({k})" for k in range(1, 211)]
    names += [f"normal ({k})" for k in range(1, 134)]
    return prepared("busi", names, cls=lambda name: name.split(" ")[0])


def whole(fold: Fold) -> list[str]:
    return sorted([*fold.train, *fold.val, *fold.test])
