"""`segkit data prepare | check | splits | show`, and what `leaks` shares with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli import _console as console
from segkit.cli.sizes import parse_size
from segkit.errors import UsageError, unknown
from segkit.limits import MAX_SEED

Name = Annotated[str, typer.Argument(help="A dataset: segkit data list.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Size = Annotated[str | None, typer.Option(help="N or HxW; default 256, or the protocol's.")]
Resize = Annotated[str | None, typer.Option(help="stretch (default) or letterbox.")]
Variant = Annotated[str, typer.Option(help="original, or another variant of the set.")]
Opt = Annotated[list[str] | None, typer.Option("--option", help="key=value, see data info.")]
SplitText = Annotated[str | None, typer.Option("--split", help="7:3, 1500/650, 8:1:1, official.")]
Folds = Annotated[int | None, typer.Option(help="Cross-validation over the whole set.")]
Protocol = Annotated[str | None, typer.Option(help="A published rule: segkit data splits --list.")]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the split.")]
SheetSeed = Annotated[
    int, typer.Option(min=0, max=MAX_SEED, help="Seed of the choice of pictures.")
]
Count = Annotated[int, typer.Option(min=1, help="Pairs on the sheet.")]
SplitFile = Annotated[
    Path | None, typer.Option(help="A split of one's own: .json, .csv or folder.")
]
Group = Annotated[
    str | None, typer.Option(help="none, near-duplicates, tiles, patient, or a CSV (id, group).")
]
Order = Annotated[str, typer.Option(help="seeded, id or name.")]
Stratify = Annotated[str, typer.Option(help="auto, class, area or none.")]
Tail = Annotated[str, typer.Option(help="Remainder of sorted folds: spread or train.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse what would leak.")]
Workers = Annotated[int | None, typer.Option(help="Threads; default: all cores, at most 8.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `segkit data`."""
    for command in (prepare, check, splits, show):
        app.command()(command)


def prepare(
    name: Name,
    size: Size = None,
    resize: Resize = None,
    variant: Variant = "original",
    option: Opt = None,
    split: SplitText = None,
    folds: Folds = None,
    protocol: Protocol = None,
    seed: Seed = 0,
    split_file: SplitFile = None,
    group: Group = None,
    order: Order = "seeded",
    stratify: Stratify = "auto",
    tail: Tail = "spread",
    strict: Strict = False,
    instances: Annotated[
        bool, typer.Option("--instances", help="Keep instance labels too.")
    ] = False,
    mask_rule: Annotated[str | None, typer.Option(help="bkai: hsv or rgb.")] = None,
    observer: Annotated[str | None, typer.Option(help="chase: 1 or 2.")] = None,
    workers: Workers = None,
    max_memory: Annotated[
        str | None,
        typer.Option(help="Memory for pictures, as 4G (default: a quarter of the machine)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decode once, resize, pack into arrays; with a split option also write the split.

    Example: segkit data prepare isic2017 --size 256 --split 7:3
    """
    from segkit.data import memory
    from segkit.data.preparing import check as checking
    from segkit.data.splitting.splits import make_split, save_split

    memory.choose(max_memory)
    asked = any(value is not None for value in (split, folds, protocol, split_file))
    of_split = {
        "--group": group is not None,
        "--order": order != "seeded",
        "--stratify": stratify != "auto",
        "--tail": tail != "spread",
        "--strict": strict,
    }
    if not asked:
        _refuse_alone([flag for flag, is_given in of_split.items() if is_given])
    short = {
        "mask_rule": mask_rule,
        "observer": observer,
        "instances": "yes" if instances else None,
    }
    options = options_of(option) | {key: value for key, value in short.items() if value}
    prepared = prepared_set(name, size, resize, variant, options, protocol, workers)
    report = checking.check(prepared)
    path, made = None, None
    if asked:
        made = make_split(
            prepared, split=split, folds=folds, protocol=protocol, seed=seed, split_file=split_file,
            group=group, strict=strict, order=order, stratify=stratify, tail=tail,
        )  # fmt: skip
        path = save_split(made, prepared.root / "splits")
    if as_json:
        console.emit_json(report | {"split": _split_json(made, path)})
        return
    _print_prepared(prepared, report)
    if made is not None:
        _print_split(made, path)


def _refuse_alone(flags: list[str]) -> None:
    """Refuse options of a split where no split is asked for: they would be ignored."""
    if flags:
        cure = "Add --split 7:3, --folds 5, --protocol NAME or --split-file FILE."
        raise UsageError(f"{flags[0]} says how to split", "but no split is asked for", cure)


def options_of(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for text in pairs or []:
        key, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--option {text!r} is not understood", "write --option key=value")
        found[key] = value
    return found


def prepared_set(
    name: str,
    size: str | None,
    resize: str | None,
    variant: str,
    options: dict[str, str],
    protocol: str | None = None,
    workers: int | None = None,
) -> Any:
    """The prepared set, made if needed; size and resize come from the protocol unless given."""
    from segkit.data.preparing.prepare import prepare as make
    from segkit.data.splitting import protocols
    from segkit.data.store import open_prepared

    rule = protocols.protocol(protocol) if protocol else None
    chosen = parse_size(size) if size else (rule.size_for(name) if rule else None) or (256, 256)
    how = resize or (rule.resize if rule else "stretch")
    if how not in ("stretch", "letterbox"):
        raise UsageError(f"--resize is '{how}'", "allowed: stretch, letterbox")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers is {workers}", "at least 1")
    with console.progress(f"preparing {name}", unit="pictures") as ticker:
        root = make(name, chosen, how, variant, options, workers, ticker, console.note)
    return open_prepared(root)


def _print_prepared(prepared: Any, report: dict[str, Any]) -> None:
    high, wide = prepared.size
    found = {part: known["found"] for part, known in report["counts"].items() if known["found"]}
    counts = ", ".join(f"{part} {count}" for part, count in found.items())
    console.say(f"{prepared.name}: {len(prepared)} pairs at {high}x{wide} ({counts})")
    console.say(f"  in {prepared.root!s}")
    twins = report["duplicates"]
    if twins["groups"]:
        console.say(
            f"  {twins['pictures']} pictures in {twins['groups']} groups that belong together"
        )
    if report["unlabelled"]:
        console.note(f"{report['unlabelled']} pictures have no public mask and are left out")
    for text in report["errors"][:20]:
        console.warn(f"kept out: {text}")
    for text in report["warnings"][:20]:
        console.warn(text)
    more = max(0, len(report["errors"]) - 20) + max(0, len(report["warnings"]) - 20)
    if more:
        console.warn(f"… and {more} more: segkit data check {prepared.name}")


def _split_json(made: Any, path: Path | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {key: value for key, value in made.to_json().items() if key != "folds"} | {
        "path": str(path)
    }


def _print_split(made: Any, path: Path | None) -> None:
    seed = f", seed {made.seed}" if made.seed is not None else ""
    console.say(f"split {made.rule}{seed}, hash {made.hash}")
    for number, fold in enumerate(made.folds):
        console.say(
            f"  fold {number}: train {len(fold.train)}, val {len(fold.val)}, test {len(fold.test)}"
        )
    console.say(f"  in {path!s}")
    for text in made.notes:
        (
            console.warn
            if text.endswith("of the split") or "not comparable" in text
            else console.note
        )(text)
    if made.selection == "test":
        console.warn("this protocol chooses its checkpoint on the reported part (selection: test)")


def check(
    name: Name,
    size: Size = None,
    resize: Resize = None,
    variant: Variant = "original",
    option: Opt = None,
    verify: Annotated[str, typer.Option(help="all: compare the arrays with their checksums.")] = "",
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet (.png or .jpg).")
    ] = None,
    count: Count = 24,
    seed: SheetSeed = 0,
    as_json: Json = False,
) -> None:
    """Broken, empty, inverted, mismatched and doubled items, by id. Exit code 1 if items are kept
    out.

    Example: segkit data check busi --sheet busi.png
    """
    from segkit.data.preparing import check as checking
    from segkit.data.sheet import check_name

    if verify not in ("", "all"):
        raise UsageError(f"--verify is '{verify}'", "allowed: all")
    if sheet is not None:
        check_name(sheet)
    prepared = prepared_set(name, size, resize, variant, options_of(option))
    report = checking.check(prepared, verify == "all")
    if sheet is not None:
        report["sheet"] = str(sheet)
        _sheet(prepared, sheet, count, seed)
    if as_json:
        console.emit_json(report)
    else:
        _print_prepared(prepared, report)
        _print_check(report)
    if report["errors"]:
        raise typer.Exit(1)


def _print_check(report: dict[str, Any]) -> None:
    share, sizes = report["share"], report["sizes"]
    frequent = ", ".join(f"{size} ({n})" for size, n in sizes["most_frequent"].items())
    console.say(f"  {sizes['different']} original sizes, most often {frequent}")
    console.say(
        f"  foreground share {share['min']:.1%} to {share['max']:.1%}, median {share['median']:.1%}"
    )
    kinds = ", ".join(f"{count} {kind}" for kind, count in report["duplicates"]["pairs"].items())
    console.say(f"  copies and neighbours: {kinds or 'none found'}")
    verdict = "no errors" if not report["errors"] else f"{len(report['errors'])} errors"
    console.say(f"  {verdict}, {len(report['warnings'])} warnings")


def splits(
    listing: Annotated[bool, typer.Option("--list", help="All published rules.")] = False,
    data: Annotated[str | None, typer.Option(help="Only rules for this dataset.")] = None,
    as_json: Json = False,
) -> None:
    """The published split rules: which paper cut which set how, and where that is from.

    Example: segkit data splits --list
    """
    from segkit.data import sources
    from segkit.data.splitting import protocols

    if not listing and data is None:
        raise UsageError("nothing to do", None, "Use --list, or --data NAME.")
    if data is not None and data not in sources.all_names():
        raise unknown("dataset", data, sources.all_names())
    rows = [row for row in protocols.listing() if data in (None, row["dataset"])]
    if data is not None and not rows:
        rows = [row for row in protocols.listing() if row["dataset"] == "*"]
    if as_json:
        console.emit_json(rows)
        return
    console.table(
        ("name", "dataset", "rule", "size", "chosen on", "scoring", "source"),
        [
            (
                row["name"],
                row["dataset"],
                row["rule"],
                "x".join(map(str, row["size"])) if row["size"] else "any",
                row["selection"],
                row["scoring"],
                row["source"],
            )
            for row in rows
        ],
        caption="* = any other dataset; S = --seed",
    )


def show(
    name: Name,
    out: Annotated[Path, typer.Option(help="The sheet: .png or .jpg.")] = Path("sheet.png"),
    count: Count = 24,
    seed: SheetSeed = 0,
    ids: Annotated[str, typer.Option(help="These pictures, comma-separated.")] = "",
    augment: Annotated[
        str | None,
        typer.Option(
            help="As a policy shows them to a net; several: a row each; paper: those of the papers."
        ),
    ] = None,
    epoch: Annotated[int, typer.Option(help="Which epoch's random numbers.")] = 0,
    size: Size = None,
    resize: Resize = None,
    variant: Variant = "original",
    option: Opt = None,
) -> None:
    """A contact sheet: random pictures with the outline of their mask, raw or augmented.

    Example: segkit data show isic2017 --augment paper --out sheet.png
    """
    from segkit.data.sheet import check_name

    check_name(out)
    changes = {policy: _augmented(policy, seed, epoch) for policy in _policies(augment)}
    named = [i for i in ids.split(",") if i]
    prepared = prepared_set(name, size, resize, variant, options_of(option))
    if len(changes) < 2:
        _sheet(prepared, out, count, seed, named, next(iter(changes.values()), None))
        return
    from segkit.data.sheet import comparing_sheet

    shown = comparing_sheet(prepared, out, changes, min(count, 6), seed, named)
    console.note(f"{len(shown)} pictures of {prepared.name}, {len(changes)} policies: {out}")


def _policies(text: str | None) -> list[str]:
    """`qtseg`, `light,strong` or `paper`: all that come from a paper, beside the plain picture."""
    from segkit.data.augmenting.names import OF_PAPERS

    if text == "paper":
        return ["none", *OF_PAPERS]
    return text.split(",") if text else []


def _sheet(
    prepared: Any,
    out: Path,
    count: int,
    seed: int,
    ids: list[str] | None = None,
    change: Any = None,
) -> None:
    from segkit.data.sheet import contact_sheet

    shown = contact_sheet(prepared, out, count, seed=seed, ids=ids or (), change=change)
    console.note(f"{len(shown)} pictures of {prepared.name} on {out}")


def _augmented(policy: str, seed: int, epoch: int) -> Any:
    from segkit.data.augmenting.pipeline import augmentation
    from segkit.data.augmenting.policy import generator

    chosen = augmentation(policy)
    return lambda name, image, mask: chosen.apply(generator(seed, epoch, name), image, mask)
