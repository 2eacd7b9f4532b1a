"""All paired benchmarks, one after another, into one page with their conditions.

    python -m benchmarks                  # everything
    python -m benchmarks --rounds 1       # one round each, to see that they run
    python -m benchmarks scan surface     # only these

Every benchmark checks that the peers compute the same before it times them, interleaves them in
one process (or, for start-up, whole processes), and reports medians and ratios. The page is written
anew after each: what was measured before a stop is kept.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import rows

FOLDER = Path(__file__).parent
BENCHMARKS = {
    "startup": [],
    "scan": [],
    "ss2d": [],
    "scaling": [],
    "mamba_net": [],
    "mamba_memory": [],
    "surface": [],
    "confusion": [],
    "epoch": [],
    "qtseg_step": [],
    "step": [],
    "onnx_scan": [],
    "export": ["unet", "qtseg", "eamnet", "dermomamba", "vmpanet"],
}
PACKAGES = ("segkit", "torch", "numpy", "scipy", "medpy", "albumentations", "onnxruntime")


def conditions() -> str:
    """The machine and the versions."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    processor = names[0].split(":")[1].strip() if names else platform.processor()
    found = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    when = datetime.date.today().isoformat()
    machine = f"{processor}, {len(names) or None} cores; Python {platform.python_version()}"
    return f"{when}; {machine}; {found}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@dataclass
class Outcome:
    """A benchmark that has run: what it measured against what, and all that it printed."""

    name: str
    shown: str
    seconds: float
    text: str
    good: bool
    rows: list[list[Any]] = field(default_factory=list)


def run(name: str, words: list[str]) -> Outcome:
    """One benchmark in a process of its own."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *words]
    shown = " ".join(["python", f"benchmarks/{name}.py", *words])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows"
        file.touch()
        begun = time.monotonic()
        environment = {**os.environ, rows.FILE: str(file)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        seconds = time.monotonic() - begun
        measured = rows.read(file)
    good = done.returncode == 0
    text = done.stdout.strip() if good else done.stderr.strip()[-2000:]
    return Outcome(name, shown, seconds, text, good, measured)


def page(done: list[Outcome], command: str) -> str:
    """The table of all pairs, then what each benchmark printed."""
    lines = [
        "# Benchmarks",
        "",
        f"Made by `{command}`. {conditions()}; load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "Each benchmark checks first that both sides compute the same, then times them in turns;",
        "medians. The ratio says how many times less segkit takes. Process CPU time unless a row",
        "says otherwise, one thread.",
        "",
        *rows.table([row for one in done for row in one.rows if one.good]),
        "",
    ]
    for one in done:
        ended = "" if one.good else ", **failed**"
        lines += [f"## {one.name}", "", f"`{one.shown}`, {one.seconds:.0f} s{ended}", ""]
        lines += ["```text", one.text, "```", ""]
    return "\n".join(lines)


def main() -> int:
    """Run the chosen benchmarks and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="all if none")
    parser.add_argument("--rounds", type=int, help="of each; else its own number")
    parser.add_argument("--out", type=Path, default=FOLDER.parent / "docs/benchmarks.md")
    asked = parser.parse_args()
    more = ["--rounds", str(asked.rounds)] if asked.rounds else []
    command = " ".join(["python -m benchmarks", *asked.names, *more])
    done: list[Outcome] = []
    for name in asked.names or BENCHMARKS:
        print(f"{name} …", end=" ", flush=True)
        done.append(run(name, [*BENCHMARKS[name], *more]))
        print(f"{done[-1].seconds:.0f} s{'' if done[-1].good else ', failed'}", flush=True)
        asked.out.write_text(page(done, command))
    print(asked.out)
    return 0 if all(one.good for one in done) else 1


if __name__ == "__main__":
    sys.exit(main())
