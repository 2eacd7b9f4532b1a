"""Faulty downloads, command lines, a full disk."""

# ruff: noqa: E501  (tables of commands)
from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
from pathlib import Path
from types import SimpleNamespace

import hostile

FAULTS = (
    "whole",
    "cut",
    "status",
    "page",
    "altered",
    "no ranges",
    "cut and altered",
    "longer",
    "shorter",
)


class Downloads:
    title, quota, lists = "faulty downloads", 50, "downloads"
    batch = 10

    def __init__(self, runs: Path):
        import loopback

        self.host = contextlib.contextmanager(loopback.host.__wrapped__)

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        tried = hostile.Tried(self.batch)
        data = dice.randbytes(40_000)

        def fetch_all() -> int:
            from socketserver import BaseServer

            from segkit.api import Archive
            from segkit.data.fetching.download import Network, download
            from segkit.errors import SegkitError

            BaseServer.handle_error = lambda *_: None  # a client that hangs up is no news
            with self.host() as host:
                for number in range(self.batch):
                    path, known = f"/{number}", dice.random() < 0.6
                    _break(host, path, data, dice)
                    digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if known else None
                    archive = Archive(
                        f"{number}.bin", "all", (host.address + path,), digest, len(data)
                    )
                    for _ in range(2):  # a person starts it again
                        try:
                            got = download(
                                archive, work / "got", Network(pause=0.001, tries=2)
                            ).path
                        except SegkitError as error:
                            print(error.as_text())
                            continue
                        content = got.read_bytes()
                        if (known and content != data) or len(content) != len(data):
                            print("Traceback: a wrong file was taken")
                        break
            return 0

        tried.note(hostile.child(fetch_all, work / "log"), "download")
        return tried


def _break(host: SimpleNamespace, path: str, data: bytes, dice: random.Random) -> None:
    kind, sent = dice.choice(FAULTS), data
    if "altered" in kind:
        place = dice.randrange(len(data))
        sent = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    elif kind in ("longer", "shorter"):
        sent = data + b"more" if kind == "longer" else data[:-4]
    host.files[path] = sent
    if "cut" in kind:
        host.cut[path] = [dice.random() for _ in range(dice.randrange(1, 4))]
    if kind == "status":
        host.status[path] = [
            dice.choice([403, 404, 429, 500, 503]) for _ in range(dice.randrange(1, 5))
        ]
    if kind == "page":
        host.pages.add(path)
    if kind == "no ranges":
        host.no_ranges.add(path)
        host.cut[path] = [dice.random()]


class Lines:
    title, quota, lists = "command lines", 60, "lines"
    batch = 10

    def __init__(self, runs: Path):
        self.runs = runs
        self.pictures = str(runs.parent / "pictures")

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        tried = hostile.Tried(self.batch)
        before = Path.cwd()
        os.chdir(work)
        for _ in range(self.batch):
            words = self._words(dice)
            end = hostile.segkit(words, work / "log", kill_after=5)
            tried.note(end, " ".join(words))
        os.chdir(before)
        return tried

    def _words(self, dice: random.Random) -> list[str]:
        one = str(self.runs / "a")
        begin = dice.choice([
            ["train", "unet", "--data", "demo"], ["predict", one, self.pictures, "--out", "o"], ["evaluate", one],
            ["data", "prepare", "demo"], ["export", one], ["report", one], ["profile", "unet"], ["runs"], ["data", "splits"],
            ["compare", one], ["weights", "export", one], ["data", "import"], ["data", "check", "demo"], ["leaderboard"],
        ])  # fmt: skip
        flags = [
            "--size",
            "--batch",
            "--epochs",
            "--out",
            "--seed",
            "--folds",
            "--split",
            "--set",
            "--device",
            "--threshold",
        ]
        flags += [
            "--tta",
            "--fold",
            "--scale",
            "--overlap",
            "--max-memory",
            "--option",
            "--to",
            "--resize",
            "--lr",
            "--json",
        ]
        values = [
            "1000000x1000000",
            "0",
            "-1",
            "x",
            "",
            "1e309",
            "nan",
            "\x1b[31m",
            "\udcff",
            "a=b",
            "model.width=0",
            "9" * 30,
        ]
        values += [
            "../..",
            "/dev/null",
            "1/0",
            "7:3",
            "none",
            "=1",
            "data.size=[1,2,3]",
            "train.epochs=null",
            "a\nb",
            "64M",
        ]
        for _ in range(dice.randrange(1, 4)):
            begin += [dice.choice(flags), dice.choice(values)]
        return begin


class FullDisk:
    title, quota, lists = "full disk (a small tmpfs)", 60, "commands"

    def __init__(self, runs: Path):
        self.runs, self.pictures = runs, runs.parent / "pictures"

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        disk = work / "disk"
        disk.mkdir()
        size = dice.choice([16, 32, 64, 128, 300])
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
        if subprocess.run(mounted, capture_output=True, check=False).returncode:
            return hostile.Tried(0)  # only root may
        try:
            return self._on(disk, dice, work)
        finally:
            subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)

    def _on(self, disk: Path, dice: random.Random, work: Path) -> hostile.Tried:
        tried, run = hostile.Tried(), str(self.runs / "a")
        home = os.environ["SEGKIT_HOME"]
        words = dice.choice([
            ["predict", run, str(self.pictures), "--out", str(disk / "out"), "--device", "cpu"],
            ["data", "prepare", "demo", "--size", "64"],
            ["export", run, "--to", "onnx", "--out", str(disk / "out")],
            ["report", run, "--out", str(disk / "report.html")],
            ["train", "unet", "--data", "demo", "--size", "32", "--epochs", "1", "--split", "7:3", "--device", "cpu",
             "--set", "model.width=4", "--set", "data.variant=original+count=24", "--out", str(disk / "out")],
        ])  # fmt: skip
        if words[0] == "data":
            os.environ["SEGKIT_HOME"] = str(disk)
        end = tried.note(hostile.segkit(words, work / "log", longest=120), words[0])
        os.environ["SEGKIT_HOME"] = home
        left = list(disk.rglob("*.tmp"))
        tried.expect(not left, f"{words[0]}: temporary files stay: {left[:1]}")
        for path in disk.rglob("*"):
            if path.suffix in (".html", ".json") and path.is_file():
                tried.expect(
                    path.stat().st_size, f"{words[0]}: {path.name} is empty (exit {end.code})"
                )
        return tried
