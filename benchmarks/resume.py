"""Kill a two-fold training with SIGKILL again and again; compare with one that nobody disturbed.

    python benchmarks/resume.py [--kills 10] [--network unet] [--epochs 6] [--size 64]

Both runs are `segkit train` commands on the built-in pictures. Exit code 1 if a weight or a figure
differs (the clock's columns of metrics.csv apart).
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLOCK = ("seconds", "images_per_s")


def command(asked: argparse.Namespace, out: Path, resume: bool) -> list[str]:
    words = ["train", asked.network, "--data", "demo", "--folds", "2", "--device", "cpu"]
    words += ["--size", str(asked.size), "--epochs", str(asked.epochs), "--augment", "strong"]
    words += ["--save-minutes", "0.01", "--json", "--out", str(out)]
    return [sys.executable, "-m", "segkit", *words, *(["--resume"] if resume else [])]


def contents(run: Path) -> dict[str, object]:
    """Weights as bytes, figures without the clock."""
    found: dict[str, object] = {}
    for fold in sorted(run.glob("fold*")):
        found[f"{fold.name} weights"] = (fold / "best.safetensors").read_bytes()
        with open(fold / "metrics.csv", newline="") as handle:
            rows = list(csv.DictReader(handle))
        found[f"{fold.name} figures"] = [
            {key: value for key, value in row.items() if key not in CLOCK} for row in rows
        ]
    return found


def disturbed(asked: argparse.Namespace, out: Path, seconds: float) -> int:
    """Run, kill at a random moment of what a whole run takes, resume; the number of kills."""
    dice, kills = random.Random(asked.seed), 0
    while True:
        words = command(asked, out, resume=(out / "recipe.json").is_file())
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if kills < asked.kills and trains(out, process):
            time.sleep(dice.uniform(0, 0.05) * seconds)
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == 0:
            return kills
        if process.returncode != -signal.SIGKILL:
            sys.exit(errors.decode())
        kills += 1


def trains(out: Path, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the process has saved a state of its own (imports take seconds)."""
    begun = time.time()
    while process.poll() is None:
        if any(path.stat().st_mtime > begun for path in out.rglob("last.pt")):
            return True
        time.sleep(0.02)
    return False


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument("--kills", type=int, default=10)
    words.add_argument("--network", default="unet")
    words.add_argument("--epochs", type=int, default=6)
    words.add_argument("--size", type=int, default=64)
    words.add_argument("--seed", type=int, default=0)
    asked = words.parse_args()
    folder = Path(tempfile.mkdtemp())
    os.environ["SEGKIT_HOME"] = str(folder / "home")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    begun = time.perf_counter()
    subprocess.run(command(asked, folder / "whole", False), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    kills = disturbed(asked, folder / "cut", seconds)
    whole, cut = contents(folder / "whole"), contents(folder / "cut")
    equal = whole == cut
    print(f"{asked.network}, two folds, {asked.epochs} epochs, {asked.size}²: killed {kills} times")
    for name, value in whole.items():
        print(f"  {name}: {'identical' if cut.get(name) == value else 'DIFFERENT'}")
    shutil.rmtree(folder)
    sys.exit(not equal)


if __name__ == "__main__":
    main()
