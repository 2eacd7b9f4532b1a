"""Damaged run folders: every command that reads a run, over every file and every kind of damage.

`python tests/campaigns/run_folders.py --minutes 5`; a fault prints its seed: `--seed N` replays it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]

from damage import DAMAGES  # noqa: E402

FILES = ("recipe.json", "data.json", "environment.json", "split.json", "summary.json")
FILES += tuple(
    f"fold0/{name}"
    for name in ("metrics.csv", "cases.csv", "fold.json", "last.pt", "best.safetensors")
)


@dataclass(frozen=True)
class Fault:
    """A command that answered to a damaged file with something else than a line of ours."""

    seed: int
    file: str
    kind: str
    words: tuple[str, ...]
    answer: str


def make_runs(folder: Path) -> Path:
    """Two small scored runs, to be copied and damaged."""
    import short_runs

    os.environ["SEGKIT_HOME"] = str(folder / "home")
    recipe = short_runs.recipe(data={"folds": None, "split": "7:3"})
    for name in "ab":
        short_runs.run(recipe, folder / "runs" / name, score=True)
    return folder / "runs"


def damage_one(runs: Path, work: Path, seed: int) -> tuple[str, str]:
    """A copy of the runs with one file damaged; which, and how."""
    dice = random.Random(seed)
    file, kind = dice.choice(FILES), dice.choice(list(DAMAGES))
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(runs, work)
    target = work / "a" / file
    data = DAMAGES[kind](target.read_bytes(), dice)
    if data is None:
        target.unlink()
    else:
        target.write_bytes(data)
    return file, kind


def commands(work: Path, seed: int) -> Iterator[list[str]]:
    """What reads runs; the slower ones not every time."""
    one, other = str(work / "a"), str(work / "b")
    yield ["runs", str(work)]
    yield ["compare", one, other]
    yield ["leaderboard", "demo", "--runs", str(work)]
    yield ["report", one, other, "--out", str(work / "report.html")]
    if seed % 4 == 0:
        yield ["evaluate", one, "--device", "cpu"]
        yield ["weights", "export", one, "--out", str(work / "w.pth")]


def answer(words: list[str]) -> str:
    """What is wrong with how a command ended; empty if it is one of our own ends."""
    from segkit.cli import run

    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = run(words)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    text = said.getvalue()
    bad = code not in (0, 1, 2) or "internal fault" in text or "Traceback" in text
    return f"exit {code}: {text[-300:]}" if bad else ""


def campaign(runs: Path, work: Path, seeds: Iterator[int]) -> tuple[int, int, list[Fault]]:
    """How many folders and commands were tried, and the faults."""
    folders = tried = 0
    faults = []
    for seed in seeds:
        file, kind = damage_one(runs, work, seed)
        folders += 1
        for words in commands(work, seed):
            tried += 1
            said = answer(words)
            if said:
                faults.append(Fault(seed, file, kind, tuple(words), said))
    return folders, tried, faults


def until(seed: int, minutes: float) -> Iterator[int]:
    """Seeds until the time is over."""
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        yield seed
        seed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = make_runs(Path(folder))
        found = campaign(runs, Path(folder) / "work", until(chosen.seed, chosen.minutes))
    folders, tried, faults = found
    for fault in faults:
        print(f"seed {fault.seed}: {fault.file} {fault.kind}: {' '.join(fault.words)}")
        print(f"    {fault.answer}")
    print(f"{folders} damaged run folders, {tried} commands, {len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
