"""From addresses or local archives to raw files: everything is unpacked aside and shown only when
all of it is there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.api import Archive, Dataset
from segkit.data import sources, staging
from segkit.data.fetching import archives, local
from segkit.data.fetching.download import Network, download, vouched_by
from segkit.data.locks import locked
from segkit.data.pairing import files_below
from segkit.errors import SegkitError, UsageError

UNPACKED = 2.2  # disk need while unpacking, as a multiple of the download


@dataclass
class FetchOutcome:
    """What a fetch did: archives taken, archives still missing, what a person should know."""

    name: str
    taken: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(
        default_factory=list
    )  # archives of the wanted parts that are not here
    notes: list[str] = field(default_factory=list)
    already: bool = False


def wanted_archives(dataset: Dataset, parts: Sequence[str]) -> list[Archive]:
    """The archives of the parts asked for, or of the default parts."""
    known = sorted({archive.part for archive in dataset.archives})
    strange = [part for part in parts if part not in known]
    if strange:
        raise UsageError(f"{dataset.name} has no part '{strange[0]}'", f"parts: {', '.join(known)}")
    chosen = list(parts) or list(dataset.default_parts) or known
    return [archive for archive in dataset.archives if archive.part in chosen]


def missing_archives(dataset: Dataset, parts: Sequence[str]) -> list[Archive]:
    """The wanted archives that are not on this machine yet."""
    here = {entry["archive"] for entry in (sources.source(dataset.name) or {}).get("archives", [])}
    return [archive for archive in wanted_archives(dataset, parts) if archive.name not in here]


def bytes_needed(wanted: Sequence[Archive]) -> tuple[int, bool]:
    """Bytes to download, and whether some size is unknown."""
    return sum(a.size or 0 for a in wanted), any(a.size is None for a in wanted)


def check_disk(wanted: Sequence[Archive]) -> int:
    """Free bytes where raw data goes; an error if the archives and their content do not fit."""
    folder = paths.home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    need = int(bytes_needed(wanted)[0] * UNPACKED)
    if need > free:
        raise SegkitError(
            f"{need / 1e9:.1f} GB are needed",
            f"{free / 1e9:.1f} GB are free in {folder}",
            "Set SEGKIT_HOME to another disk, or fetch fewer --parts.",
        )
    return free


def login_screen(dataset: Dataset) -> SegkitError:
    """Why a set cannot be downloaded, where it is, what to accept, what to run then."""
    files = ", ".join(archive.name for archive in dataset.archives)
    lines = [
        dataset.login,
        f"Page: {dataset.page}",
        f"Terms: {dataset.terms}",
        f"Expected file: {files}",
    ]
    return SegkitError(
        f"{dataset.name} cannot be downloaded by a program",
        "\n  ".join(line for line in lines if line),
        f"Then run: segkit data fetch {dataset.name} --from PATH",
    )


def fetch_remote(
    dataset: Dataset, parts: Sequence[str], network: Network, keep_archives: bool = False
) -> FetchOutcome:
    """Download what is missing of the wanted parts, unpack it, publish it."""
    wanted = missing_archives(dataset, parts)
    if not wanted:
        return FetchOutcome(dataset.name, already=True)
    if not all(archive.urls for archive in wanted):
        raise login_screen(dataset)
    check_disk(wanted)
    store = paths.raw(dataset.name) / "archives"
    store.mkdir(parents=True, exist_ok=True)
    with locked(paths.home() / "raw" / f".{dataset.name}.lock", network.say):
        files = [(archive, download(archive, store, network)) for archive in wanted]
        taken = [local.Taken(archive, at.path, url=at.url) for archive, at in files]
        with _damaged_thrown_away(taken):
            outcome = _publish(dataset, taken, network)
    outcome.missing = [archive.name for archive in missing_archives(dataset, parts)]
    if not keep_archives:
        shutil.rmtree(store)
    return outcome


@contextmanager
def _damaged_thrown_away(taken: Sequence[local.Taken]) -> Iterator[None]:
    """A damaged download that no checksum has caught would block every later fetch."""
    try:
        yield
    except archives.Damaged as error:
        if any(item.path == error.archive and not item.archive.hash for item in taken):
            error.archive.unlink()
            cure = "It was thrown away: run the same command again."
            raise SegkitError(error.what, error.why, cure) from error
        raise


def fetch_local(
    dataset: Dataset, places: Sequence[Path], parts: Sequence[str], network: Network
) -> FetchOutcome:
    """Take what is found in local archives and folders."""
    wanted_archives(dataset, parts)
    taken = local.find(dataset, places)
    if parts:
        taken = [item for item in taken if item.archive.part in parts]
    with locked(paths.home() / "raw" / f".{dataset.name}.lock", network.say):
        outcome = _publish(dataset, taken, network)
    outcome.missing = [archive.name for archive in missing_archives(dataset, parts)]
    return outcome


def _publish(dataset: Dataset, taken: Sequence[local.Taken], network: Network) -> FetchOutcome:
    """Unpack into a hidden folder, then move the whole into place; `source.json` is written
    last.
    """
    root = paths.raw(dataset.name)
    root.mkdir(parents=True, exist_ok=True)
    outcome = FetchOutcome(dataset.name)
    taken = _once_each(taken, outcome)
    with staging.aside(root) as temporary:
        staged: list[tuple[str, Path, dict[str, Any]]] = []
        for number, item in enumerate(taken):
            aside = temporary / str(number)
            entry = _unpack(item, aside, network, outcome)
            staged.append((_folder_of(root, item, staged), aside, entry))
        known = sources.source(dataset.name) or {}
        _publish_staged(root, dataset, known, staged)
    outcome.taken = [entry for _, _, entry in staged]
    return outcome


def _once_each(taken: Sequence[local.Taken], outcome: FetchOutcome) -> list[local.Taken]:
    """Without files of the same content that stand for the same archive, such as 'x (1).zip'."""
    kept: dict[Any, local.Taken] = {}
    for item in taken:
        content = item.files or _digest(item.path, item.archive)
        first = kept.setdefault((item.archive.name, item.within, content), item)
        if first is not item and first.path.resolve() != item.path.resolve():
            outcome.notes.append(
                f"{item.path.name} is the same file as {first.path.name}: taken once"
            )
    return list(kept.values())


def _folder_of(
    root: Path, item: local.Taken, staged: Sequence[tuple[str, Path, dict[str, Any]]]
) -> str:
    """`files/<archive>/<source>`: two local zips may stand for one archive, and an older copy may
    be there.
    """
    base = f"files/{archives.stem(item.archive.name)}/{archives.stem(item.path.name)}"
    used = {name for name, _, _ in staged}
    names = (base, *(f"{base}-{number}" for number in range(2, 10_000)))
    return next(name for name in names if name not in used and not (root / name).exists())


def _unpack(
    item: local.Taken, aside: Path, network: Network, outcome: FetchOutcome
) -> dict[str, Any]:
    archive = item.archive
    if network.progress:
        network.progress.describe(f"unpacking {item.path.name}")
    if item.files:
        count, digest, size = local.copy_tree(item, aside), None, None
    else:
        digest, size = _digest(item.path, archive), item.path.stat().st_size
        count = archives.unpack(item.path, aside, item.members)
    if count == 0:
        raise SegkitError(
            f"{item.path} holds nothing of {archive.name}", f"no member matches {archive.members!r}"
        )
    official = archive.hash
    if not item.url and digest and official and digest != official:
        outcome.notes.append(
            f"{item.path.name} differs from the official {archive.name} ({digest}, official "
            f"{official}): taken, and recorded"
        )
    return {
        "archive": archive.name,
        "part": archive.part,
        "origin": item.url or str(item.path.resolve()),
        "hash": digest,
        "official_hash": official,
        "vouched": "nothing" if item.files else vouched_by(archive, digest),
        "official": None if not (digest and official) else digest == official,
        "bytes": size,
        "files": count,
    }


def _digest(path: Path, archive: Archive) -> str:
    """The checksum of a file, of the kind that is known for the archive."""
    kind = (archive.hash or "sha256:").partition(":")[0]
    with open(path, "rb") as handle:
        return f"{kind}:{hashlib.file_digest(handle, kind).hexdigest()}"


def _replaced(
    root: Path, folders: Sequence[str], staged: Sequence[tuple[str, Path, dict[str, Any]]]
) -> list[str]:
    """The older folders whose files are all in what came now for the same archive.

    The second half of an archive that travels in pieces may come in a later fetch: it joins.
    """
    now: dict[str, set[str]] = {}
    for name, aside, _ in staged:
        now.setdefault(name.split("/")[1], set()).update(_held(aside))
    return [f for f in folders if _held(root / f) <= now.get(f.split("/")[1], set())]


def _held(folder: Path) -> set[str]:
    return local.short_names(files_below(folder))


def _publish_staged(
    root: Path,
    dataset: Dataset,
    known: dict[str, Any],
    staged: Sequence[tuple[str, Path, dict[str, Any]]],
) -> None:
    old = _replaced(root, known.get("folders", []), staged)
    folders = [folder for folder in known.get("folders", []) if folder not in old]
    stems = {folder.split("/")[1] for folder in old}  # for entries of before folders were noted
    entries = [
        e
        for e in known.get("archives", [])
        if (e["folder"] not in old if "folder" in e else archives.stem(e["archive"]) not in stems)
    ]
    for name, aside, entry in staged:
        entry["folder"] = name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        aside.rename(root / name)
        folders.append(name)
        entries.append(entry)
    value = {
        "kind": "catalogue",
        "name": dataset.name,
        "archives": sorted(entries, key=lambda entry: (entry["archive"], entry["origin"])),
        "folders": sorted(folders),
    }
    paths.write_json(root / sources.SOURCE, value)
    for folder in old:
        shutil.rmtree(root / folder, ignore_errors=True)
