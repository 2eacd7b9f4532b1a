"""Mutated pictures through `predict`: every one has its row or its reason."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import hostile
from damage import DAMAGES
from PIL import Image

FORMS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "webp": "WEBP", "gif": "GIF"}
MODES = ("RGB", "L", "RGBA", "P", "1", "LA", "I;16", "CMYK", "F")
KINDS = ("flipped", "cut", "zeros", "head", "grown", "swapped", "bomb", "whole")
NAMES = (
    "=1+1",
    "\x1b[31mred",
    "-x",
    "a b",
    "Größe",
    "\udcff",
    "@x",
    "tab\there",
    "q'\"",
    "new\nline",
)
BATCH = 40


class Pictures:
    title, quota, lists = "mutated pictures, `predict`", 250, "files"

    def __init__(self, runs: Path):
        self.run = runs / "a"

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        folder = work / "in"
        folder.mkdir()
        for number in range(BATCH):
            suffix, data = mutated(dice)
            name = f"{number}{dice.choice(NAMES) if dice.random() < 0.2 else ''}.{suffix}"
            (folder / name).write_bytes(data)
        tried = hostile.Tried(BATCH)
        words = ["predict", str(self.run), str(folder), "--out", str(work / "out")]
        words += ["--device", "cpu", "--batch", str(dice.choice([1, 3, 8]))]
        if dice.random() < 0.1:  # unscaled, a bomb has 60,000 windows of this small network
            words += ["--sliding", "--scale", dice.choice(["0.2", "0.05"])]
        end = tried.note(hostile.segkit(words, work / "log"), "predict")
        tried.expect("\x1b" not in end.text, "an escape sequence reached the terminal")
        if end.code in (0, 1):
            rows = [r for f in ("predictions.csv", "skipped.csv") for r in table(work / "out" / f)]
            told = {row["file"] for row in rows}
            tried.expect(len(told) == BATCH, f"{len(told)} of {BATCH} files have a row")
            formulas = [c for r in rows for c in r.values() if c[:1] in "=@" and c]
            tried.expect(not formulas, f"a formula for spreadsheets: {formulas[:1]}")
        return tried


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, if it is there."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def picture(dice: random.Random) -> tuple[str, bytes]:
    """A whole file of any format and mode."""
    suffix, form = dice.choice(list(FORMS.items()))
    mode, size = dice.choice(MODES), (dice.randrange(1, 90), dice.randrange(1, 90))
    noise = Image.frombytes("L", size, dice.randbytes(size[0] * size[1]))
    made = noise.convert("I").convert("I;16") if mode == "I;16" else noise.convert(mode)
    sink = io.BytesIO()
    try:
        made.save(sink, form)
    except (OSError, ValueError):  # a mode that the format has not
        noise.convert("RGB").save(sink, form)
    return suffix, sink.getvalue()


def mutated(dice: random.Random) -> tuple[str, bytes]:
    """A file that was altered in one of the ways."""
    suffix, data = picture(dice)
    kind = dice.choice(KINDS)
    if kind in DAMAGES:
        return suffix, DAMAGES[kind](data, dice) or b""
    if kind == "bomb":
        return "png", bomb(dice)
    if kind == "whole":
        return suffix, data
    changed = bytearray(data)
    if kind == "head":
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(min(64, len(changed)))] = dice.choice([0, 1, 127, 128, 255])
    elif kind == "grown":
        place = dice.randrange(len(changed))
        changed[place:place] = dice.randbytes(dice.randrange(1, 300))
    else:
        other, place = picture(dice)[1], dice.randrange(len(changed))
        changed[place:] = other[place:]
    return suffix, bytes(changed)


def bomb(dice: random.Random) -> bytes:
    """A small PNG of very many equal pixels."""
    side = dice.choice([2000, 4000, 8000])
    sink = io.BytesIO()
    mode = dice.choice(["1", "L", "P", "RGB"] if side < 8000 else ["1", "L"])
    Image.new(mode, (side, side)).save(sink, "PNG", compress_level=1)
    return sink.getvalue()
