"""Splits: which pictures train, validate and test. Every split is a file with ids, seed, rule and
hash.

Random splits and default folds keep groups and duplicate clusters in one part. Published protocols,
split files and official parts are taken as they are, and the clusters they tear apart are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from segkit import paths
from segkit.data.splitting.groups import clusters, groups_of, strangers
from segkit.data.splitting.protocols import PROTOCOLS
from segkit.data.splitting.protocols import protocol as find_protocol
from segkit.data.splitting.rules import Splitter
from segkit.data.splitting.types import Fold, Split
from segkit.data.store import PreparedSet
from segkit.errors import SegkitError, UsageError, check_choice
from segkit.recipe import DataRecipe

TORN = "groups of copies or neighbours lie on both sides of the split"
__all__ = ["PROTOCOLS", "Fold", "Split", "load_split", "make_split", "save_split", "split_for"]


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
    check_choice("--order", order, ("seeded", "id", "name"))
    check_choice("--stratify", stratify, ("auto", "class", "area", "none"))
    check_choice("--tail", tail, ("spread", "train"))
    whole = "--split-file" if split_file is not None else ""
    published = protocol or split == "official" or _has_official_test(prepared)
    if not whole and folds is None and split in (None, "official") and published:
        whole = f"protocol '{protocol or 'official'}'"
    _refuse_unused(whole, folds, order, stratify, tail)
    groups = groups_of(prepared, group)
    splitter = Splitter(prepared, seed, groups, _strata(prepared, stratify), order, tail)
    if split_file is not None:
        made = load_split(split_file, prepared)
    elif folds is not None:
        made = splitter.cross_validation(folds)
    elif split is not None and split != "official":
        made = splitter.holdout(split)
    elif protocol is not None and split is None:
        made = splitter.published(find_protocol(protocol))
    elif split == "official" or _has_official_test(prepared):
        made = splitter.published(PROTOCOLS["official"])
    else:
        made = splitter.holdout("7:3")
    notes = _left_out(made, prepared) if split_file is not None else ()
    return _checked(made, prepared, groups, group, strict, notes)


def _refuse_unused(whole: str, folds: int | None, order: str, stratify: str, tail: str) -> None:
    """Options that the asked kind of split would ignore. `whole`: what is taken as it is."""
    given = {"--order": order != "seeded", "--stratify": stratify != "auto"}
    named = [flag for flag, is_given in {**given, "--tail": tail != "spread"}.items() if is_given]
    if whole and named:
        raise UsageError(
            f"{named[0]} has no meaning here",
            f"{whole} is taken as it is",
            f"Leave {named[0]} out.",
        )
    if tail != "spread" and (folds is None or order == "seeded"):
        raise UsageError("--tail has no meaning here", "it is for --folds with --order id or name")
    if stratify == "area" and order != "seeded":
        raise UsageError(
            "--stratify area contradicts --order", "sorted slices can keep classes only"
        )


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


def _checked(
    made: Split,
    prepared: PreparedSet,
    groups: Mapping[str, str],
    group: str | None,
    strict: bool,
    more: Sequence[str] = (),
) -> Split:
    """Disjoint, known ids; count what is torn apart; hash."""
    known = set(prepared.ids)
    for index, fold in enumerate(made.folds):
        _check_fold(index, fold, known)
    torn = _torn(made.folds, clusters(prepared, groups))
    kept = (note for note in made.notes if not note.endswith(TORN))  # a file's own count
    notes = (*kept, *more, *_strangers(prepared, group), *_of_another_grid(prepared))
    if torn:
        text = f"{torn} {TORN}"
        if strict:
            raise SegkitError(
                text, f"rule '{made.rule}'", f"See: segkit data leaks {prepared.name}"
            )
        notes = (*notes, text)
    facts = {"group": group or "known groups and duplicates", "torn": torn, "notes": notes}
    value = {"rule": made.rule, "seed": made.seed, "folds": made.to_json()["folds"]}
    return Split(**{**made.__dict__, **facts, "hash": paths.short_hash(value, 16)})


def _of_another_grid(prepared: PreparedSet) -> tuple[str, ...]:
    """A set of version 0.1 was searched for copies at its own size, and may split otherwise."""
    if prepared.details is not None:
        return ()
    size = f"{prepared.size[0]}x{prepared.size[1]}"
    return (
        f"prepared by an older segkit: copies were searched at {size}, so that another size may "
        f"split otherwise; delete {prepared.root} and prepare again for the split of every size",
    )


def _left_out(made: Split, prepared: PreparedSet) -> tuple[str, ...]:
    """Pictures of the set that a split of one's own does not name."""
    used = {name for fold in made.folds for part in fold.__dict__.values() for name in part}
    if used >= set(prepared.ids):
        return ()
    return (f"the file names {len(used)} of {len(prepared.ids)} pictures; the others are not used",)


def _strangers(prepared: PreparedSet, group: str | None) -> list[str]:
    names = strangers(group, prepared.ids)
    return [f"{len(names)} ids of {group} are not in the set, first '{names[0]}'"] if names else []


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
    from segkit.data.splitting.files import read_split

    return read_split(Path(path), prepared)
