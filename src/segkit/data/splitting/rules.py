"""How the rules cut a set: our own folds and holdouts, and the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.data import sources
from segkit.data.splitting.assign import assign, proportional, shuffled, spread
from segkit.data.splitting.protocols import Protocol, Rule, describe_rule
from segkit.data.splitting.types import Fold, Split
from segkit.data.store import PreparedSet
from segkit.errors import SegkitError, UsageError

VAL_SHARE = 0.1


@dataclass(frozen=True)
class Splitter:
    """Cuts a prepared set into parts by any of the rules; what all of them need to know."""

    prepared: PreparedSet
    seed: int
    groups: Mapping[str, str]
    strata: Mapping[str, str]
    order: str
    tail: str

    # ---- our own rules

    def cross_validation(self, folds: int) -> Split:
        """K folds over the whole set; a tenth of each training part validates."""
        ids = sorted(self.prepared.ids)
        if not 2 <= folds <= len(ids):
            raise UsageError(
                f"--folds is {folds}", f"2 to {len(ids)} are possible with {len(ids)} pictures"
            )
        if self.order != "seeded":
            return self._sorted_folds(folds)
        parts = self._assign(ids, spread(len(ids), folds), self.seed)
        made = [
            self._with_validation(set(ids) - set(part), part, index)
            for index, part in enumerate(parts)
        ]
        return self._split(
            f"folds-{folds}", made, "segkit: seeded folds, a tenth of training validates"
        )

    def _sorted_folds(self, folds: int) -> Split:
        by_class = bool(self.strata)
        parts = _slices(self._sorted_classes(self.prepared.ids, by_class), folds, self.tail)
        ids = set(self.prepared.ids)
        made = [
            self._with_validation(ids - set(part), part, k, plain=True)
            for k, part in enumerate(parts)
        ]
        rule = f"folds-{folds}-{self.order}-{self.tail}" + ("-class" if by_class else "")
        return self._split(rule, made, "segkit: consecutive slices of the sorted ids", seeded=False)

    def holdout(self, text: str) -> Split:
        """One split in shares (7:3, 8:1:1) or counts (1500/650, 1250/150/600)."""
        numbers, is_ratio = _parse(text)
        ids = sorted(self.prepared.ids)
        counts = proportional(len(ids), numbers) if is_ratio else numbers
        if not is_ratio:
            ids = self._pool_of(sum(counts), text)
        if min(counts) == 0:
            raise UsageError(
                f"--split {text} leaves a part empty", f"{len(ids)} pictures are prepared"
            )
        if self.order == "seeded":
            bins = self._assign(ids, counts, self.seed)
        else:
            bins = _cut(ids, counts)
        made = (
            _fold_of(bins)
            if len(bins) == 3
            else self._with_validation(bins[0], bins[1], 0, plain=self.order != "seeded")
        )
        rule = f"split-{text}" + ("" if self.order == "seeded" else f"-{self.order}")
        return self._split(
            rule,
            [made],
            "segkit: " + ("seeded" if self.order == "seeded" else "sorted ids"),
            seeded=self.order == "seeded" or len(bins) == 2,
        )

    def _pool_of(self, total: int, text: str) -> list[str]:
        """The pictures that fixed counts are about: all, or training and validation part, or
        training part.
        """
        sizes = []
        for parts in ((), ("train", "val"), ("train",)):
            ids = self._pool(parts)
            sizes.append(len(ids))
            if len(ids) == total:
                return ids
        raise UsageError(
            f"--split {text} is for {total} pictures",
            f"{self.prepared.name} has {sizes[0]} prepared",
            "Write a ratio instead, for example --split 7:3.",
        )

    def _pool(self, parts: Sequence[str], drop: Sequence[str] = ()) -> list[str]:
        items = self.prepared.items
        kept = (
            item["id"]
            for item in items
            if (not parts or item["part"] in parts) and item.get("cls") not in drop
        )
        return sorted(kept)

    def _assign(self, ids: Sequence[str], capacities: Sequence[int], seed: int) -> list[list[str]]:
        return assign(ids, capacities, strata=self.strata, groups=self.groups, seed=seed)

    def _with_validation(
        self,
        train: Any,
        test: Sequence[str],
        index: int,
        *,
        plain: bool = False,
        share: float = VAL_SHARE,
    ) -> Fold:
        """Part of the training side validates; groups stay together unless the split is plain."""
        train = sorted(train)
        count = round(len(train) * share)
        if share and len(train) > 1:
            count = max(1, count)
        if count == 0:
            return _fold_of([train, [], test])
        seed = self.seed + 1 + index
        if plain:
            mixed = shuffled(train, seed)
            return _fold_of([mixed[count:], mixed[:count], test])
        kept, val = self._assign(train, [len(train) - count, count], seed)
        return _fold_of([kept, val, test])

    def _sorted_classes(self, ids: Sequence[str], by_class: bool) -> list[list[str]]:
        if not by_class:
            return [sorted(ids)]
        cls = {item["id"]: str(item.get("cls")) for item in self.prepared.items}
        return [sorted(i for i in ids if cls[i] == name) for name in sorted({cls[i] for i in ids})]

    # ---- published rules

    def published(self, item: Protocol) -> Split:
        """A protocol, as published."""
        rule = item.rules.get(self.prepared.name, item.default)
        if rule is None:
            raise UsageError(
                f"protocol '{item.name}' says nothing of {self.prepared.name}",
                f"it is about {', '.join(sorted(item.rules))}",
            )
        seed = self.seed if rule.seed is None else rule.seed
        pool = self._pool(rule.pool, rule.drop) or self._pool((), rule.drop)
        notes = _incomplete(item, rule, pool)
        made = self._carry_out(rule, pool, seed)
        name = f"{item.name}" if item.name != "official" else "official"
        return self._split(
            name,
            made,
            item.source,
            seeded=rule.order == "seeded" or bool(rule.val),
            seed=seed,
            selection=item.selection,
            notes=(describe_rule(rule), *notes),
        )

    def _carry_out(self, rule: Rule, pool: list[str], seed: int) -> list[Fold]:
        if rule.kind == "official":
            return [self._official(rule)]
        if rule.kind == "all-test":
            return [_fold_of([[], [], pool])]
        if rule.kind == "slices":
            parts = _slices(self._sorted_classes(pool, rule.by_class), rule.folds, "train")
            return [_fold_of([set(pool) - set(part), [], part]) for part in parts]
        ordered = shuffled(pool, seed) if rule.order == "seeded" else pool
        if rule.kind == "cyclic":
            return _cyclic(ordered, rule)
        counts = list(rule.numbers)
        if rule.kind == "ratio" or sum(counts) != len(pool):
            share = _test_rounded_up if rule.test_first else proportional
            counts = share(len(pool), rule.numbers)
        if rule.test_first:
            parts = _cut(ordered, [counts[-1], *counts[:-1]])
            parts = [*parts[1:], parts[0]]
        else:
            parts = _cut(ordered, counts)
        if len(parts) == 3:
            return [_fold_of(parts)]
        return [self._with_validation(parts[0], parts[1], 0, plain=True, share=rule.val)]

    def _official(self, rule: Rule) -> Fold:
        train, val, test = (self._pool((part,)) for part in ("train", "val", "test"))
        if not train or not test:
            raise self._no_official_parts()
        if val or not rule.val:
            return _fold_of([train, val, test])
        return self._with_validation(train, test, 0, plain=not rule.keeps_groups, share=rule.val)

    def _no_official_parts(self) -> SegkitError:
        here = {item["part"] for item in self.prepared.items}
        name = self.prepared.name
        known = sources.dataset(name).archives if name in sources.all_names() else ()
        published = {archive.part for archive in known}
        if not {"train", "test"} <= published:
            return UsageError(
                f"{name} has no official training and test part",
                "its publisher gives one list"
                if published
                else f"prepared: {', '.join(sorted(here))}",
                "Use --split 7:3 or --folds 5.",
            )
        missing = ",".join(sorted({"train", "test"} - here))
        return SegkitError(
            f"{name} has no official training and test part here",
            f"prepared: {', '.join(sorted(here))}",
            f"Use --split 7:3, or: segkit data fetch {name} --parts {missing}",
        )

    def _split(
        self,
        rule: str,
        folds: list[Fold],
        source: str,
        *,
        seeded: bool = True,
        seed: int | None = None,
        selection: str = "val",
        notes: tuple[str, ...] = (),
    ) -> Split:
        used = (self.seed if seed is None else seed) if seeded else None
        return Split(rule, used, tuple(folds), source, notes, "", self.prepared.name, selection)


def _parse(text: str) -> tuple[list[int], bool]:
    for sign in (":", "/"):
        words = text.split(sign)
        if len(words) in (2, 3) and all(word.isdigit() and int(word) > 0 for word in words):
            return [int(word) for word in words], sign == ":"
    raise UsageError(
        f"--split '{text}' is not understood",
        "shares train:test or train:val:test (7:3, 8:1:1), counts (1500/650, 1250/150/600), or "
        "'official'",
    )


def _cut(ids: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    parts, start = [], 0
    for count in counts:
        parts.append(list(ids[start : start + count]))
        start += count
    return parts


def _test_rounded_up(total: int, shares: Sequence[int]) -> list[int]:
    """As scikit-learn's `train_test_split` does, which the works that test first have used."""
    test = -(-total * shares[-1] // sum(shares))
    return [*proportional(total - test, shares[:-1]), test]


def _slices(lists: Sequence[Sequence[str]], folds: int, tail: str) -> list[list[str]]:
    """Consecutive slices of each list, merged; with `tail="train"` the remainder is in no slice."""
    parts: list[list[str]] = [[] for _ in range(folds)]
    for ids in lists:
        counts = [len(ids) // folds] * folds if tail == "train" else spread(len(ids), folds)
        for part, chunk in zip(parts, _cut(ids, counts), strict=True):
            part += chunk
    return parts


def _cyclic(ids: Sequence[str], rule: Rule) -> list[Fold]:
    """Slices of n // K are tested, the pictures that follow validate, the others train."""
    n, m = len(ids), len(ids) // rule.folds
    top, bottom = rule.val_count or (1, 10)
    count = -(-n * top // bottom)
    made = []
    for fold in range(rule.folds):
        turned = [*ids[fold * m :], *ids[: fold * m]]
        made.append(_fold_of([turned[m + count :], turned[m : m + count], turned[:m]]))
    return made


def _fold_of(parts: Sequence[Any]) -> Fold:
    train, val, test = (tuple(sorted(part)) for part in parts)
    return Fold(train, val, test)


def _incomplete(item: Protocol, rule: Rule, pool: Sequence[str]) -> tuple[str, ...]:
    if rule.total in (None, len(pool)):
        return ()
    return (
        f"{len(pool)} of the {rule.total} pictures of the published split are here: cut in "
        "proportion, "
        f"not comparable with tables that use '{item.name}'",
    )
