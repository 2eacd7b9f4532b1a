"""Splits: which pictures train, validate and test. Every split is a file with ids, seed, rule and
hash.

Random splits and default folds keep groups and duplicate clusters in one part. Published protocols,
split files and official parts are taken as they are, and the clusters they tear apart are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.data.dealing import deal, proportional, shuffled, spread
from segkit.data.groups import clusters, groups_of
from segkit.data.protocols import PROTOCOLS, Protocol, Rule, describe
from segkit.data.protocols import protocol as find_protocol
from segkit.data.store import PreparedSet
from segkit.errors import SegkitError, UsageError
from segkit.recipe import DataRecipe

__all__ = ["PROTOCOLS", "Fold", "Split", "load_split", "make_split", "save_split", "split_for"]

VAL_SHARE = 0.1
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
        """As plain data."""
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


def split_for(prepared: PreparedSet, data: DataRecipe, strict: bool = False) -> Split:
    """The split that a recipe's data section asks for."""
    return make_split(
        prepared,
        split=data.split,
        folds=data.folds,
        protocol=data.protocol,
        seed=data.split_seed,
        split_file=data.split_file,
        strict=strict,
    )


def make_split(
    prepared: PreparedSet,
    *,
    split: str | None = None,
    folds: int | None = None,
    protocol: str | None = None,
    seed: int = 0,
    split_file: Path | str | None = None,
    group: str | None = None,
    strict: bool = False,
    order: str = "seeded",
    stratify: str = "auto",
    tail: str = "spread",
) -> Split:
    """The split that the settings describe; explicit `split`, `folds` or `split_file` override a
    protocol's.

    `group`: None keeps together what is known to belong together; "none" nothing;
    "near-duplicates", "tiles", "patient" or a CSV file with columns id and group only that.
    `order`: "seeded", or "id" / "name" for slices of the sorted list. `stratify`: "auto" (by class
    where there are classes), "class", "area" or "none". `tail`: where the remainder of sorted folds
    goes, "spread" or "train".
    """
    if split is not None and folds is not None:
        raise UsageError("--split and --folds contradict each other", None, "Give one of them.")
    _among("--order", order, ("seeded", "id", "name"))
    _among("--stratify", stratify, ("auto", "class", "area", "none"))
    _among("--tail", tail, ("spread", "train"))
    groups = groups_of(prepared, group)
    ask = _Ask(prepared, seed, groups, _strata(prepared, stratify), order, tail)
    if split_file is not None:
        made = load_split(split_file, prepared)
    elif folds is not None:
        made = ask.cross_validation(folds)
    elif split is not None and split != "official":
        made = ask.holdout(split)
    elif protocol is not None and split is None:
        made = ask.published(find_protocol(protocol))
    elif split == "official" or _has_official_test(prepared):
        made = ask.published(PROTOCOLS["official"])
    else:
        made = ask.holdout("7:3")
    return _checked(made, prepared, groups, group, strict)


def _among(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{flag} is '{value}'", f"allowed: {', '.join(allowed)}")


def _has_official_test(prepared: PreparedSet) -> bool:
    parts = {item["part"] for item in prepared.items}
    return "test" in parts and "train" in parts


def _strata(prepared: PreparedSet, how: str) -> dict[str, str]:
    """The class of each picture, or its quarter of foreground share."""
    if how == "none" or (how == "auto" and not any(item.get("cls") for item in prepared.items)):
        return {}
    if how == "area":
        ranked = sorted(prepared.items, key=lambda item: (item["share"], item["id"]))
        return {item["id"]: str(4 * k // len(ranked)) for k, item in enumerate(ranked)}
    return {item["id"]: str(item.get("cls")) for item in prepared.items}


@dataclass(frozen=True)
class _Ask:
    """What every rule needs to know."""

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
        parts = self._deal(ids, spread(len(ids), folds), self.seed)
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
            bins = self._deal(ids, counts, self.seed)
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

    def _deal(self, ids: Sequence[str], capacities: Sequence[int], seed: int) -> list[list[str]]:
        return deal(ids, capacities, strata=self.strata, groups=self.groups, seed=seed)

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
        kept, val = self._deal(train, [len(train) - count, count], seed)
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
            notes=(describe(rule), *notes),
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
            counts = proportional(len(pool), rule.numbers)
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
            here = ", ".join(sorted({item["part"] for item in self.prepared.items}))
            raise SegkitError(
                f"{self.prepared.name} has no official training and test part here",
                f"prepared: {here}",
                "Fetch the missing part (segkit data fetch --parts train,val,test), or use "
                "--split 7:3.",
            )
        if val or not rule.val:
            return _fold_of([train, val, test])
        return self._with_validation(train, test, 0, plain=True, share=rule.val)

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


# ---- checks, hash, files


def _checked(
    made: Split, prepared: PreparedSet, groups: Mapping[str, str], group: str | None, strict: bool
) -> Split:
    """Disjoint, known ids; count what is torn apart; hash."""
    known = set(prepared.ids)
    for index, fold in enumerate(made.folds):
        _check_fold(index, fold, known)
    torn = _torn(made.folds, clusters(prepared, groups))
    notes = made.notes
    if torn:
        text = f"{torn} groups of copies or neighbours lie on both sides of the split"
        if strict:
            raise SegkitError(
                text, f"rule '{made.rule}'", f"See: segkit data leaks {prepared.name}"
            )
        notes = (*notes, text)
    kept = {"group": group or "known groups and duplicates", "torn": torn, "notes": notes}
    value = {"rule": made.rule, "seed": made.seed, "folds": made.to_json()["folds"]}
    return Split(**{**made.__dict__, **kept, "hash": paths.short_hash(value, 16)})


def _check_fold(index: int, fold: Fold, known: set[str]) -> None:
    ids = [*fold.train, *fold.val, *fold.test]
    strangers = sorted(set(ids) - known)
    if strangers:
        raise SegkitError(
            f"fold {index} names {len(strangers)} pictures that are not prepared",
            ", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else ""),
        )
    if len(ids) != len(set(ids)):
        twice = sorted({name for name in ids if ids.count(name) > 1})[:5]
        raise SegkitError(f"fold {index} uses pictures twice", ", ".join(twice))
    if not fold.test and not fold.val:
        raise SegkitError(
            f"fold {index} has nothing to score", "neither validation nor test pictures"
        )


def _torn(folds: Sequence[Fold], together: Sequence[Sequence[str]]) -> int:
    """How many clusters have members in more than one part of some fold."""
    torn = set()
    for fold in folds:
        where = {name: part for part in ("train", "val", "test") for name in getattr(fold, part)}
        for number, cluster in enumerate(together):
            if len({where[name] for name in cluster if name in where}) > 1:
                torn.add(number)
    return len(torn)


def save_split(split: Split, path: Path | str) -> Path:
    """Write a split; beside a prepared set it is `splits/<rule>-<hash>.json`."""
    path = Path(path)
    if path.suffix != ".json":
        safe = split.rule.replace(":", "-").replace("/", "-")
        path = path / f"{safe}-{split.hash[:8]}.json"
    return paths.write_json(path, split.to_json())


def load_split(path: Path | str, prepared: PreparedSet | None = None) -> Split:
    """Read a split: our JSON, JSON or text lists of ids per part, or a CSV with columns id, part(,
    fold).
    """
    from segkit.data.splitfiles import read_split

    return read_split(Path(path), prepared)
