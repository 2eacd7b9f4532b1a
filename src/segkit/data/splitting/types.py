"""The types of a split: folds of ids, and the rule that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Fold:
    """The ids of one fold."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """One or several folds with the rule that made them."""

    rule: str
    seed: int | None
    folds: tuple[Fold, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    hash: str = ""  # of rule, seed and ids
    dataset: str = ""
    selection: str = "val"  # "test": the source chooses its checkpoint on the reported part
    torn: int = 0  # groups and duplicate clusters that lie on both sides in some fold
    group: str = ""  # how pictures were kept together

    def to_json(self) -> dict[str, Any]:
        """The split as plain data for JSON."""
        folds = [
            {"train": list(f.train), "val": list(f.val), "test": list(f.test)} for f in self.folds
        ]
        counts = [{key: len(ids) for key, ids in fold.items()} for fold in folds]
        return {
            "format": FORMAT,
            "dataset": self.dataset,
            "rule": self.rule,
            "seed": self.seed,
            "source": self.source,
            "selection": self.selection,
            "group": self.group,
            "torn": self.torn,
            "notes": list(self.notes),
            "hash": self.hash,
            "counts": counts,
            "folds": folds,
        }
