"""A folder here or at an address (s3://…, gs://…, memory://…): read, listed, written whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.errors import MissingExtra, SegkitError, UsageError


def is_address(text: str) -> bool:
    """Whether it names a place outside this machine's file system."""
    return "://" in text


class Storage:
    """One folder, through fsspec; files appear whole or not at all."""

    def __init__(self, root: str):
        self.root = root.rstrip("/") if is_address(root) else str(Path(root).absolute())

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, path = fsspec.core.url_to_fs(self.root)
        except ImportError as error:
            package = self.root.partition("://")[0] + "fs"
            raise MissingExtra(package, "ray", f"{self.root}") from error
        except ValueError as error:
            raise UsageError(f"{self.root} is no address", str(error)) from error
        return fs, str(path)

    @property
    def fs(self) -> Any:
        return self._opened[0]

    @property
    def local(self) -> Path | None:
        """The folder, if it is one of this machine."""
        return None if is_address(self.root) else Path(self.root)

    def path(self, name: str) -> str:
        """As fsspec names a file below the folder."""
        return f"{self._opened[1]}/{name}"

    def address(self, name: str) -> str:
        """As a person names a file below the folder."""
        return f"{self.root}/{name}"

    def find(self, suffixes: frozenset[str]) -> list[str]:
        """All files to the bottom with these suffixes, below the folder, in natural order."""
        base = self._opened[1]
        try:
            found = self.fs.find(base)
        except (OSError, ValueError) as error:
            raise SegkitError(f"{self.root} cannot be listed", _line(error)) from error
        names = [str(path)[len(base) :].lstrip("/") for path in found]
        fitting = [name for name in names if Path(name).suffix.lower() in suffixes]
        return sorted(fitting, key=paths.natural_key)

    def names(self, folder: str) -> set[str]:
        """What lies in a folder of it; nothing where there is none."""
        if self.local is not None:
            here = self.local / folder
            return {path.name for path in here.iterdir()} if here.is_dir() else set()
        self.fs.invalidate_cache()
        if not self.fs.exists(self.path(folder)):
            return set()
        return {str(name).rpartition("/")[2] for name in self.fs.ls(self.path(folder), False)}

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return bytes(self.fs.cat_file(self.path(name)))

    def open(self, name: str) -> Any:
        """A file for reading, which can be read from any place."""
        return self.fs.open(self.path(name), "rb")

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole: by renaming here; an object store shows it when it is complete."""
        if self.local is not None:
            with paths.replacing(self.local / name) as temporary:
                temporary.write_bytes(data)
            return
        self.fs.pipe_file(self.path(name), data)

    def take(self, folder: Path) -> None:
        """Move all files of a local folder here, under the same names."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        names = [path.relative_to(folder).as_posix() for path in files]
        self.fs.put([str(path) for path in files], [self.path(name) for name in names])
        shutil.rmtree(folder)


def fetch(addresses: Sequence[str], folder: Path) -> list[Path]:
    """Copies of files in a local folder, numbered, with their suffixes."""
    import fsspec

    fs, _ = fsspec.core.url_to_fs(addresses[0])
    folder.mkdir(parents=True, exist_ok=True)
    places = [folder / f"{n:06d}{Path(name).suffix}" for n, name in enumerate(addresses)]
    # a picture that cannot be fetched is missing then, and named as skipped
    fs.get(list(addresses), [str(place) for place in places], on_error="return")
    return places


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
