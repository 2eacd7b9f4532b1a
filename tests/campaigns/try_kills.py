"""Every command killed at any moment: what was there stays, and a second start ends as the first."""

# ruff: noqa: E501  (tables of commands)
from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import hostile
from try_pictures import table

SMALL = ["--data", "demo", "--size", "32", "--epochs", "2", "--device", "cpu", "--batch", "4"]
SMALL += [
    "--set",
    "model.width=4",
    "--set",
    "model.levels=2",
    "--set",
    "data.variant=original+count=24",
]
SMALL += ["--split", "7:3"]
COMMANDS = ("train", "train", "prepare", "predict", "evaluate", "report", "import", "export")


class Kills:
    title, quota, lists = "`kill -9`, then the same command again", 200, "kills"

    def __init__(self, runs: Path):
        self.runs, self.pictures = runs, runs.parent / "pictures"
        self.home = Path(os.environ["SEGKIT_HOME"])
        self.whole = runs.parent / "whole"
        self.seconds: dict[str, float] = {}
        self.wanted: dict[str, object] = {}

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        name = dice.choice(COMMANDS)
        self._reference(name)
        tried = hostile.Tried()
        words, out = self._words(name, work)
        share = dice.random() * 1.1
        hostile.segkit(words, work / "log", kill_after=max(0.005, share * self.seconds[name]))
        again = (
            [*words, "--resume"] if name == "train" and (out / "recipe.json").exists() else words
        )
        end = tried.note(hostile.segkit(again, work / "log", longest=180), f"{name}, second start")
        tried.expect(
            end.code == 0, f"{name} killed at {share:.2f}: second start: {end.text[-300:]}"
        )
        if end.code == 0:
            tried.expect(outcome(name, out) == self.wanted[name], f"{name}: another result")
            left = [p for p in out.rglob(".*.tmp") if p.is_file()] if out.is_dir() else []
            tried.expect(not left, f"{name}: temporary files stay: {left[:1]}")
        return tried

    def _reference(self, name: str) -> None:
        """What the command gives when nobody kills it, and how long it takes."""
        if name in self.wanted:
            return
        work = self.whole / name
        work.mkdir(parents=True)
        words, out = self._words(name, work)
        end = hostile.segkit(words, work / "log", longest=300)
        if end.code != 0:
            raise SystemExit(f"{name} does not even run undisturbed: {end.text[-500:]}")
        self.seconds[name], self.wanted[name] = end.seconds, outcome(name, out)

    def _words(self, name: str, work: Path) -> tuple[list[str], Path]:
        out = work / "out"
        run = work / "run"
        if name in ("evaluate", "report", "predict", "export") and not run.exists():
            shutil.copytree(self.runs / "a", run)
        home = work / "home"
        if name in ("prepare", "import"):
            os.environ["SEGKIT_HOME"] = str(home)
        else:
            os.environ["SEGKIT_HOME"] = str(self.home)
        pairs = self.runs.parent / "pairs"
        words = {
            "train": ["train", "unet", *SMALL, "--out", str(out)],
            "prepare": ["data", "prepare", "demo", "--size", "32", "--option", "count=60"],
            "predict": ["predict", str(run), str(self.pictures), "--out", str(out), "--device", "cpu"],
            "evaluate": ["evaluate", str(run), "--device", "cpu"],
            "report": ["report", str(run), "--out", str(out / "report.html")],
            "import": ["data", "import", "mine", "--images", str(pairs / "images"), "--masks", str(pairs / "masks"), "--copy", "--yes"],
            "export": ["export", str(run), "--to", "onnx", "--out", str(out)],
        }[name]  # fmt: skip
        place = {"prepare": home, "import": home, "evaluate": run}.get(name, out)
        return words, place


def outcome(name: str, out: Path) -> object:
    """What must be equal: weights to the bit, arrays, tables without clocks, the set of files."""
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    files = [file for file in files if not file.endswith(".lock") and "/.lock" not in file]
    if name == "train":
        return files, (out / "fold0/best.safetensors").read_bytes()
    if name == "evaluate":
        return files, [
            {k: v for k, v in r.items() if k != "ms"} for r in table(out / "fold0/cases.csv")
        ]
    if name == "predict":
        rows = [{k: v for k, v in r.items() if k != "ms"} for r in table(out / "predictions.csv")]
        return files, rows, [p.read_bytes() for p in sorted((out / "masks").glob("*.png"))]
    if name == "prepare":
        return files, [p.read_bytes() for p in sorted(out.rglob("*.npy"))]
    return files
