"""Reading splits that others wrote: our JSON, plain JSON, CSV, or one text file per part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit import paths
from segkit.data import tables
from segkit.data.splitting.types import Fold, Split
from segkit.data.store import PreparedSet
from segkit.errors import SegkitError, UsageError

PARTS = ("train", "val", "test")


def read_split(path: Path, prepared: PreparedSet | None) -> Split:
    """A split from a file or a folder with train.txt, val.txt, test.txt."""
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise UsageError(f"--split-file {path} does not exist")
    if path.suffix == ".json":
        return _from_json(path, paths.read_json(path), prepared)
    if path.suffix == ".csv":
        return _from_csv(path)
    raise UsageError(
        f"--split-file {path} is not understood",
        "a .json or .csv file, or a folder with train.txt …",
    )


def _from_json(path: Path, value: Any, prepared: PreparedSet | None) -> Split:
    if not isinstance(value, dict):
        raise SegkitError(f"{path} is no split", "a JSON object is expected")
    folds = value.get("folds") or [value]
    if not isinstance(folds, list):
        raise SegkitError(f"{path} is no split", "'folds' must be a list")
    made = [_fold(path, fold) for fold in folds]
    dataset = str(value.get("dataset") or "")
    written = value.get("notes")
    notes = tuple(str(note) for note in written) if isinstance(written, list) else ()
    if prepared is not None and dataset and dataset != prepared.name:
        notes = (*notes, f"written for {dataset}, used on {prepared.name}")
    return Split(
        str(value.get("rule") or "file"),
        _whole(value.get("seed")),
        tuple(made),
        str(value.get("source") or path.name),
        notes,
        str(value.get("hash") or paths.short_hash([fold.__dict__ for fold in made], 16)),
        dataset,
        str(value.get("selection") or "val"),
        _whole(value.get("torn")) or 0,
        str(value.get("group") or ""),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _fold(path: Path, value: Any) -> Fold:
    if not isinstance(value, dict) or not set(PARTS) & set(value):
        raise SegkitError(f"{path} is no split", f"lists under {', '.join(PARTS)} are expected")
    lists = []
    for part in PARTS:
        ids = value.get(part, [])
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            raise SegkitError(f"{path} is no split", f"'{part}' must be a list of ids")
        lists.append(tuple(ids))
    return Fold(*lists)


def _from_csv(path: Path) -> Split:
    rows = tables.read_rows(path, ("id", "part"), "split")
    strange = sorted({row["part"] for row in rows} - set(PARTS))
    if strange:
        raise UsageError(f"{path}: part is '{strange[0]}'", f"allowed: {', '.join(PARTS)}")
    numbers = sorted({row.get("fold") or "0" for row in rows}, key=paths.natural_key)
    folds = []
    for number in numbers:
        mine = [row for row in rows if (row.get("fold") or "0") == number]
        folds.append(Fold(*(tuple(r["id"] for r in mine if r["part"] == part) for part in PARTS)))
    return Split("file", None, tuple(folds), path.name)


def _from_folder(path: Path) -> Split:
    lists = []
    for part in PARTS:
        file = path / f"{part}.txt"
        lines = _lines(file) if file.is_file() else []
        lists.append(tuple(line.strip() for line in lines if line.strip()))
    if not any(lists):
        raise UsageError(f"{path} holds no split", "train.txt, val.txt or test.txt are expected")
    return Split("file", None, (Fold(*lists),), path.name)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SegkitError(f"{file} cannot be read", "it is not UTF-8 text") from error
