"""The contract of an evaluation protocol: how each dataset is split, at which size, how chosen and
scored. Plain data; part of `segkit.api`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SplitRule:
    """How a published work cut one dataset.

    `official`: the parts of the publisher. `counts`: so many pictures in train, (val,) test.
    `ratio`: the same in shares. `slices`: consecutive folds of n // K of the sorted list, the rest
    stays in training. `cyclic`: slices of a shuffled list, the pictures after the slice validate.
    `all-test`: every picture is tested, none is trained on.
    """

    kind: Literal["official", "counts", "ratio", "slices", "cyclic", "all-test"]
    numbers: tuple[int, ...] = ()  # counts or shares of train, (val,) test
    folds: int = 1
    order: Literal["id", "seeded"] = "id"
    seed: int | None = None  # the source's own; None: the caller's
    test_first: bool = False  # the source takes the test part from the head of the shuffled list
    pool: tuple[str, ...] = ()  # official parts that the rule is about; empty: all
    drop: tuple[str, ...] = ()  # classes that the source leaves out
    by_class: bool = False  # each class is cut apart, then merged
    val: float = 0.0  # share of the training side that validates
    val_count: tuple[int, int] | None = None  # (numerator, denominator) of n, rounded up
    keeps_groups: bool = False  # the validation part is our own cut, and tears no group
    total: int | None = None  # pictures that the source had in its pool


@dataclass(frozen=True)
class EvaluationProtocol:
    """A published evaluation: one name for split, size, selection and scoring."""

    name: str
    summary: str
    source: str
    rules: Mapping[str, SplitRule]
    default: SplitRule | None = None  # for datasets that the source does not name
    size: tuple[int, int] | None = None  # (H, W); None: the caller's
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    resize: str = "stretch"
    selection: Literal["val", "test"] = "val"
    scoring: str = "segkit"
    note: str = ""

    def size_for(self, dataset: str) -> tuple[int, int] | None:
        """(H, W) for a dataset."""
        return self.sizes.get(dataset, self.size)

    def to_json(self) -> dict[str, Any]:
        """The protocol as plain data for JSON."""
        return asdict(self)
