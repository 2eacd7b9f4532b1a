"""Trained networks on the Hugging Face hub: `hf://owner/name[@revision]` stands where a run may.

The revision is resolved to a commit first and the files of that commit are kept in the hub's own
cache, so a path that is recorded names the commit. Only files that `model.json` lists are taken,
each is held against its SHA-256, and nothing of a repository is executed or unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.errors import MissingExtra, SegkitError, UsageError

SCHEME = re.compile(r"^hf:/{1,2}(?=[^/])")  # a path as an argument loses one of the two slashes
PLACE = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)(?:@([\w][\w./-]*))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
KINDS = (".json", ".safetensors", ".onnx", ".csv", ".md", ".jpg", ".jpeg", ".png")
FILE = re.compile(rf"(?:fold\d+/)?\w[\w.-]*(?:{'|'.join(map(re.escape, KINDS))})")
DESCRIPTION, CARD = "model.json", "README.md"
MOST_BYTES = 2 << 30
PUSHED = "`segkit push` makes such a repository; `segkit weights import` reads other files."


@dataclass(frozen=True)
class Place:
    """A repository and the revision that is asked for."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_address(target: Path | str) -> bool:
    """Whether this names a repository of the hub."""
    return SCHEME.match(str(target)) is not None


def parse(target: Path | str) -> Place:
    """The repository and revision of an address."""
    found = PLACE.fullmatch(SCHEME.sub("", str(target)))
    if found is None:
        raise UsageError(f"'{target}' is no address", "hf://owner/name or hf://owner/name@revision")
    return Place(found[1], found[2])


def folder(target: Path | str) -> Path:
    """The folder of the network, fetched if it is not here, every file checked."""
    return _folder(parse(target))


@cache  # a command asks several times: one answer for all
def _folder(place: Place) -> Path:
    library = load_library("hf:// addresses")
    with told(place, library):
        if library.constants.HF_HUB_OFFLINE:
            return _snapshot(place, place.revision, library, here_only=True)
        return _cached(place, place.revision, library) or _fetch(place, library)


def load_library(purpose: str) -> Any:
    """huggingface_hub is an extra."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub", purpose) from error
    return huggingface_hub


def _cached(place: Place, revision: str | None, library: Any) -> Path | None:
    """A commit does not change: what is here and whole is asked of nobody."""
    if not COMMIT.fullmatch(revision or ""):
        return None
    try:
        return _snapshot(place, revision, library, here_only=True)
    except (library.errors.LocalEntryNotFoundError, SegkitError):
        return None


def _fetch(place: Place, library: Any) -> Path:
    info = library.HfApi().model_info(
        place.repository, revision=place.revision, files_metadata=True
    )
    here = _cached(place, info.sha, library)
    if here is not None:
        return here
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    if DESCRIPTION not in sizes:
        raise SegkitError(
            f"{place} is no network of segkit",
            f"it has no {DESCRIPTION}",
            PUSHED,
        )
    total = sum(size for name, size in sizes.items() if name.endswith(KINDS))
    if total > MOST_BYTES:
        raise SegkitError(f"{place} has {total >> 20} MiB", f"at most {MOST_BYTES >> 20} are taken")
    return _snapshot(place, place.revision, library)  # the cache keeps where the branch stood, too


def _snapshot(place: Place, revision: str | None, library: Any, here_only: bool = False) -> Path:
    """The files of the kinds that we read, from the cache or the hub; each is checked."""
    wanted = {"allow_patterns": [f"*{kind}" for kind in KINDS], "ignore_patterns": [".*"]}
    found = library.snapshot_download(
        place.repository, revision=revision, local_files_only=here_only, **wanted
    )
    check(Path(found), str(place))
    return Path(found)


def check(here: Path, name: str) -> dict[str, Any]:
    """The description of a folder whose every listed file is there and whole."""
    if not (here / DESCRIPTION).is_file():
        raise SegkitError(f"{name} is no network of segkit", f"it has no {DESCRIPTION}", PUSHED)
    facts = paths.read_json(here / DESCRIPTION)
    files = facts.get("files") if isinstance(facts, dict) else None
    if not isinstance(files, dict) or not all(FILE.fullmatch(str(file)) for file in files):
        raise SegkitError(f"{name} is no network of segkit", f"its {DESCRIPTION} lists no files")
    for file, digest in files.items():
        found = paths.sha256(here / file) if (here / file).is_file() else "missing"
        if found != digest:
            raise SegkitError(
                f"{name} is damaged: nothing was loaded",
                f"{file} is {found[:12]}, not {str(digest)[:12]}…",
                "Ask its owner, or name an older revision: hf://owner/name@COMMIT.",
            )
    return dict(facts)


@contextmanager
def told(place: Place, library: Any) -> Iterator[None]:
    """The hub's errors in one line: what, why, the cure."""
    try:
        yield
    except SegkitError:
        raise
    except Exception as error:
        found = _told(error, library.errors)
        if found is None:
            raise
        why, cure = found
        why = why or (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SegkitError(f"{place} cannot be reached or used", why, cure) from error


def _told(error: Exception, known: Any) -> tuple[str, str] | None:
    """Why and the cure of an error of the hub (why empty: its own words); None of others."""
    offline = "Is there a network? What was fetched once works with HF_HUB_OFFLINE=1."
    said: dict[Any, tuple[str, str]] = {
        known.GatedRepoError: (
            "its owner restricts access",
            "Accept its conditions on the hub, then: hf auth login",
        ),
        known.RepositoryNotFoundError: (
            "there is no such repository, or it is private",
            "Check owner and name; a private one needs: hf auth login",
        ),
        known.RevisionNotFoundError: (
            "it has no such revision",
            "Check the branch, tag or commit behind the @.",
        ),
        known.LocalEntryNotFoundError: (
            "it is not in the cache",
            "Ask again with a network and without HF_HUB_OFFLINE.",
        ),
        known.OfflineModeIsEnabled: ("HF_HUB_OFFLINE is set", "Unset it to reach the hub."),
        known.HfHubHTTPError: ("", "Try again later; a write needs a token: hf auth login"),
        OSError: ("", offline),
    }
    found = next((words for kind, words in said.items() if isinstance(error, kind)), None)
    transport = type(error).__module__.startswith(("http", "requests"))  # httpx, httpx2, httpcore
    return found or (("", offline) if transport else None)
