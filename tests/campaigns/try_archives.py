"""Mutated and malicious archives: nothing leaves its folder, every end is a line of ours."""

# ruff: noqa: E501  (tables of commands)
from __future__ import annotations

import io
import random
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import hostile
from damage import DAMAGES

NAMES = (
    "a.png", "d/b.png", "../out.png", "/tmp/segkit-escaped.png", "", " ", ".", "..", "a/../../x", "C:\\x",
    "..\\x", "a\0b", "x" * 300, "d", "d/", "\udcff".encode("utf-8", "surrogateescape").decode("latin1"),
    "\x1b[31m", "con", "a//b", "./a.png", "=1",
)  # fmt: skip
BATCH = 20


class Archives:
    title, quota, lists = "archives", 60, "archives"

    def __init__(self, runs: Path):
        pass

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        tried = hostile.Tried(BATCH)

        def unpack_all() -> int:
            from segkit.data.fetching.archives import names, unpack
            from segkit.errors import SegkitError

            for number in range(BATCH):
                suffix, data = archive(dice)
                file = work / f"{number}.{suffix}"
                file.write_bytes(data)
                for act in (names, partial(unpack, folder=work / "into" / str(number))):
                    try:
                        act(file)
                    except SegkitError as error:
                        print(error.as_text())
            return 0

        (work / "into").mkdir()
        tried.note(hostile.child(unpack_all, work / "log"), "unpack")
        known = {f"{n}.{s}" for n in range(BATCH) for s in ("zip", "tar", "tar.gz", "rar", "7z")}
        strange = {path.name for path in work.iterdir()} - known - {"into", "log"}
        tried.expect(not strange, f"escaped: {strange}")
        tried.expect(not Path("/tmp/segkit-escaped.png").exists(), "escaped to an absolute path")
        links = [path for path in (work / "into").rglob("*") if path.is_symlink()]
        tried.expect(not links, f"a link was made: {links[:1]}")
        return tried


def archive(dice: random.Random) -> tuple[str, bytes]:
    """A zip or tar of odd members, mostly damaged afterwards."""
    suffix = dice.choice(["zip", "tar", "tar.gz"])
    data = zipped(dice) if suffix == "zip" else tarred(dice, suffix)
    if dice.random() < 0.6:
        kind = dice.choice(["flipped", "cut", "zeros", "empty", "text"])
        data = DAMAGES[kind](data, dice) or b""
    return (dice.choice(["rar", "7z"]) if dice.random() < 0.05 else suffix), data


def chosen(dice: random.Random) -> list[str]:
    if dice.random() < 0.5:
        return ["a.png", "d/b.png"]
    return [dice.choice(NAMES) for _ in range(dice.randrange(1, 5))]


def zipped(dice: random.Random) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as out:
        for name in chosen(dice):
            info = zipfile.ZipInfo("x")
            info.filename = name
            if dice.random() < 0.1:
                info.external_attr = 0o120777 << 16
            try:
                out.writestr(info, dice.choice([b"", b"data" * 50, bytes(1 << 20)]))
            except (UnicodeError, ValueError, IndexError):
                continue
    return sink.getvalue()


def tarred(dice: random.Random, suffix: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz" if suffix == "tar.gz" else "w") as out:
        for name in chosen(dice):
            info = tarfile.TarInfo(name)
            content = dice.choice([b"", b"data" * 50])
            info.size = len(content)
            if dice.random() < 0.15:
                info.type = dice.choice(
                    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
                )
                info.linkname, info.size = dice.choice(["../..", name, "/etc/passwd", ""]), 0
            try:
                out.addfile(info, io.BytesIO(content))
            except (UnicodeError, ValueError):
                continue
    return sink.getvalue()
