"""`segkit data`: what there is, how to get it, and what to do with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit import paths, plugins
from segkit.cli import _console as console
from segkit.cli.data import card, importing, leaks, preparing
from segkit.data import sources
from segkit.errors import SegkitError, UsageError

app = typer.Typer(
    no_args_is_help=True, help="Fetch, import, prepare, split, check and show datasets."
)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
ASK_ABOVE = 2_000_000_000


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The catalogue: pairs, size, licence, how to get it, and what is here.

    Example: segkit data list
    """
    rows = [_row(status) for status in plugins.statuses("datasets")]
    known = {row["name"] for row in rows}
    rows += [_describe(sources.dataset(name)) for name in sources.fetched() if name not in known]
    if as_json:
        console.emit_json(rows)
        return
    console.table(
        ("name", "title", "pairs", "download", "unpacking", "licence", "login", "state"),
        [_cells(row) for row in rows],
        right=("pairs", "download", "unpacking"),
    )


def _row(status: plugins.Status) -> dict[str, Any]:
    if status.value is None:
        return {"name": status.name, "status": status.status, "reason": status.reason}
    return _describe(status.value)


def _describe(dataset: Any) -> dict[str, Any]:
    """A dataset for listings; `status` is built-in, absent, partial, fetched, imported or
    prepared.
    """
    size = sum(archive.size or 0 for archive in dataset.archives)
    login = bool(dataset.login) and not all(archive.urls for archive in dataset.archives)
    return {
        "name": dataset.name,
        "status": _state(dataset),
        "reason": dataset.login if login else "",
        "title": dataset.title,
        "modality": dataset.modality,
        "pairs": sum(dataset.counts.values()),
        "counts": dict(dataset.counts),
        "download_bytes": size or None,
        "unpacking_bytes": int(size * 2.2) or None,
        "licence": dataset.licence,
        "login": login,
        "prepared": [path.name for path in sources.prepared_roots(dataset.name)],
    }


def _state(dataset: Any) -> str:
    if sources.prepared_roots(dataset.name):
        return "prepared"
    if dataset.generate is not None:
        return "built-in"
    known = sources.source(dataset.name)
    if known is not None:
        return "imported" if known.get("kind") == "import" else "fetched"
    waiting = paths.raw(dataset.name) / "archives"
    return "partial" if waiting.is_dir() and any(waiting.iterdir()) else "absent"


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    if row["status"] == "unavailable":
        return row["name"], row["reason"], "", "", "", "", "", "unavailable"
    return (
        row["name"],
        row["title"],
        row["pairs"] or "?",
        _size(row["download_bytes"]),
        _size(row["unpacking_bytes"]),
        row["licence"] or "?",
        "yes" if row["login"] else "no",
        row["status"],
    )


def _size(amount: int | None) -> str:
    if not amount:
        return "-"
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


@app.command()
def info(name: Annotated[str, typer.Argument(help="A dataset.")], as_json: Json = False) -> None:
    """One dataset: parts, archives, licence, citation, terms, known defects.

    Example: segkit data info busi
    """
    dataset = sources.dataset(name)
    facts = _describe(dataset) | {
        "summary": dataset.summary,
        "classes": list(dataset.classes),
        "archives": [
            {"name": a.name, "part": a.part, "urls": list(a.urls), "hash": a.hash, "bytes": a.size}
            for a in dataset.archives
        ],
        "default_parts": list(dataset.default_parts),
        "variants": list(dataset.variants),
        "options": {key: list(values) for key, values in dataset.options.items()},
        "terms": dataset.terms,
        "how": dataset.login,
        "page": dataset.page,
        "citation": dataset.citation,
        "defects": list(dataset.defects),
        "fetched": (sources.source(name) or {}).get("archives", []),
    }
    if as_json:
        console.emit_json(facts)
        return
    _print_info(facts)


def _print_info(facts: dict[str, Any]) -> None:
    console.say(console.styled(facts["name"], "bold"), f"  {facts['title']}\n{facts['summary']}")
    counts = ", ".join(f"{part} {count}" for part, count in facts["counts"].items())
    lines = [
        ("pairs", counts),
        ("classes", _classes(facts)),
        ("state", f"{facts['status']} {' '.join(facts['prepared'])}".strip()),
        ("licence", facts["licence"]),
        ("terms", facts["terms"]),
        ("by hand", facts["how"]),
        ("page", facts["page"]),
        ("cite", facts["citation"]),
        ("variants", ", ".join(facts["variants"]) if len(facts["variants"]) > 1 else ""),
        ("options", "; ".join(f"{k}={'|'.join(v)}" for k, v in facts["options"].items())),
    ]
    for label, text in lines:
        if text:
            console.say(f"  {label:<9}{text}")
    for archive in facts["archives"]:
        digest = archive["hash"] or "no checksum is published"
        known = [archive["part"], _size(archive["bytes"]) if archive["bytes"] else "", digest]
        console.say(f"  archive  {archive['name']} ({', '.join(filter(None, known))})")
        for address in archive["urls"]:
            console.say(f"  {'':<9}{address}")
    for defect in facts["defects"]:
        console.say(f"  known    {defect}")


def _classes(facts: dict[str, Any]) -> str:
    """The classes by name, and that they are one foreground unless an option keeps them apart."""
    names, ways = facts["classes"], facts["options"].get("classes", ())
    if len(names) <= 2 or not ways or ways[0] != "binary":
        return ", ".join(names)
    apart = " or ".join(f"--option classes={way}" for way in ways[1:])
    return f"background, foreground; with {apart}: {', '.join(names)}"


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset of the catalogue.")],
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Archives or folders that are already here (repeatable)."),
    ] = None,
    parts: Annotated[str, typer.Option(help="Parts, for example train,val,test.")] = "",
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="The terms are read and accepted.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before large downloads.")
    ] = False,
    insecure_host: Annotated[
        list[str] | None,
        typer.Option(help="Skip TLS verification of this host; only for files of known SHA-256."),
    ] = None,
    via: Annotated[str, typer.Option(help="kaggle: let its tool download (needs its token).")] = "",
    keep_archives: Annotated[bool, typer.Option(help="Keep downloads after unpacking.")] = False,
    as_json: Json = False,
) -> None:
    """Download a dataset (a killed download goes on), or take local archives with --from.

    Example: segkit data fetch isic2017 --from ~/Downloads
    """
    dataset = sources.dataset(name)
    if dataset.generate is not None:
        console.note(f"{name} is built in: there is nothing to fetch")
        return
    if not dataset.archives:
        raise UsageError(f"{name} was imported", "there is nothing to fetch")
    chosen = [part.strip() for part in parts.split(",") if part.strip()]
    if from_:
        console.note(f"terms: {dataset.terms}")
        outcome = _take(dataset, from_, chosen)
    elif via:
        outcome = _via(dataset, via, chosen, accept_terms)
    else:
        outcome = _download(dataset, chosen, accept_terms, yes, insecure_host or [], keep_archives)
    _report(outcome, as_json)


def _take(dataset: Any, places: list[Path], parts: list[str]) -> Any:
    from segkit.data.fetching.download import Network
    from segkit.data.fetching.fetch import fetch_local

    with console.progress(f"taking {dataset.name}") as ticker:
        network = Network(progress=ticker, say=console.note)
        return fetch_local(dataset, [place.expanduser() for place in places], parts, network)


def _via(dataset: Any, via: str, parts: list[str], accepted: bool) -> Any:
    from segkit.data.fetching.kaggle import download_with_kaggle

    if via != "kaggle":
        raise UsageError(f"--via is '{via}'", "allowed: kaggle")
    _ask_terms(dataset, accepted)
    return _take(
        dataset, [download_with_kaggle(dataset, paths.raw(dataset.name) / "archives")], parts
    )


def _download(
    dataset: Any, parts: list[str], accepted: bool, yes: bool, hosts: list[str], keep: bool
) -> Any:
    from segkit.data.fetching import fetch as work
    from segkit.data.fetching.download import Network

    wanted = work.missing_archives(dataset, parts)
    if wanted and not all(archive.urls for archive in wanted):
        raise work.login_screen(dataset)
    if wanted:
        _announce(dataset, wanted, work)
        _ask_terms(dataset, accepted)
        _ask_size(work.bytes_needed(wanted)[0], yes)
    with console.progress(f"fetching {dataset.name}", unit="B") as ticker:
        network = Network(insecure_hosts=hosts, progress=ticker, say=console.note)
        return work.fetch_remote(dataset, parts, network, keep)


def _announce(dataset: Any, wanted: Any, work: Any) -> None:
    size, unknown = work.bytes_needed(wanted)
    free = work.check_disk(wanted)
    more = " and files of unknown size" if unknown else ""
    console.note(
        f"{dataset.title}: {len(wanted)} archives, {_size(size)}{more}; "
        f"{_size(int(size * work.UNPACKED))} while unpacking, {_size(free)} are free\n"
        f"licence: {dataset.licence}\nterms: {dataset.terms}\ncite: {dataset.citation}"
    )


def _ask_terms(dataset: Any, accepted: bool) -> None:
    if not dataset.ask or accepted:
        return
    if not sys.stdin.isatty() or not typer.confirm("Do you accept these terms?", err=True):
        raise SegkitError(
            f"the terms of {dataset.name} are not accepted", dataset.terms, "Add --accept-terms."
        )


def _ask_size(size: int, yes: bool) -> None:
    if size < ASK_ABOVE or yes:
        return
    if not sys.stdin.isatty() or not typer.confirm(f"Download {_size(size)}?", err=True):
        raise UsageError(f"{_size(size)} would be downloaded", "not confirmed", "Add --yes.")


def _report(outcome: Any, as_json: bool) -> None:
    if as_json:
        console.emit_json(
            {
                "name": outcome.name,
                "already": outcome.already,
                "taken": outcome.taken,
                "missing": outcome.missing,
                "notes": outcome.notes,
            }
        )
        return
    if outcome.already:
        console.say(f"{outcome.name}: everything asked for is already here")
    for entry in outcome.taken:
        console.say(f"{entry['archive']}: {entry['files']} files, {entry['hash'] or 'a folder'}")
        if entry.get("vouched") in ("size", "nothing") and entry["origin"].startswith("http"):
            only = {"size": "its size alone", "nothing": "nothing"}[entry["vouched"]]
            console.warn(f"{entry['archive']}: no checksum is published; {only} vouches for it")
    for text in outcome.notes:
        console.warn(text)
    if outcome.missing:
        console.note("not here: " + ", ".join(outcome.missing))
    console.note(f"next: segkit data prepare {outcome.name}")


importing.register(app)
card.register(app)
preparing.register(app)
leaks.register(app)
