"""CPU seconds of light commands against a command line that imports everything eagerly.

    python benchmarks/startup.py [--rounds 9]

Each figure is user + system time of a whole process, interleaved, medians. The peer is a Typer app
of eight commands whose modules import torch, numpy, scipy and albumentations at the top, as most
research command lines do.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rows import row

PEER = """
import albumentations, numpy, scipy.ndimage, torch
import typer
app = typer.Typer()
{commands}
app()
"""
COMMAND = '@app.command()\ndef c{n}(a: str, b: int = 1):\n    "Does something."\n'
OURS = {
    "segkit --help": ["--help"],
    "segkit train qtsg (a typo)": ["train", "qtsg"],
    "segkit plugins list": ["plugins", "list"],
    "segkit data list": ["data", "list"],
}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run; only the typo may end as an error."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run(command, capture_output=True, check=False).returncode
    assert code == (2 if "qtsg" in command else 0), f"{command} ended with {code}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "peer.py"
        peer.write_text(PEER.format(commands="".join(COMMAND.format(n=n) for n in range(8))))
        commands = {"eager peer --help": [sys.executable, str(peer), "--help"]}
        for name, words in OURS.items():
            commands[name] = [sys.executable, "-m", "segkit", *words]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):  # the first round warms the disk cache and is dropped
            for name, command in commands.items():
                times[name].append(cpu_seconds(command))
    medians = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    base = medians["eager peer --help"]
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, {rounds} rounds, medians")
    for name, seconds in medians.items():
        print(f"{name:30} {seconds:7.3f} s CPU   {base / seconds:6.1f}x less than the peer")
        if name in OURS:
            row(f"start-up: `{name}`", seconds, "eager imports, --help", base, "s CPU")


if __name__ == "__main__":
    main()
