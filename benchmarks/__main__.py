"""All paired benchmarks, one after another, into one page with their conditions.

    python -m benchmarks                # everything, about an hour on two cores
    python -m benchmarks --quick        # three rounds each, to see that they run
    python -m benchmarks scan surface   # only these

Every benchmark checks that the peers compute the same before it times them, interleaves them in one
process (or, for start-up, whole processes), and reports medians and ratios.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
BENCHMARKS = {
    "startup": [],
    "scan": [],
    "ss2d": [],
    "mamba_net": [],
    "mamba_memory": [],
    "surface": [],
    "confusion": [],
    "epoch": [],
    "qtseg_step": [],
    "eamnet_step": [],
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


def run(name: str, words: list[str]) -> tuple[str, bool]:
    """A section of the page, and whether the benchmark ended well."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *words]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    shown = " ".join(["python", f"benchmarks/{name}.py", *words])
    text = done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-2000:]
    return (
        f"## {name}\n\n`{shown}`, {seconds:.0f} s\n\n```text\n{text}\n```\n",
        done.returncode == 0,
    )


def main() -> int:
    """Run the chosen benchmarks and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="all if none")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER / "results.md")
    asked = parser.parse_args()
    sections, well = [], True
    for name in asked.names or BENCHMARKS:
        print(f"{name} …", flush=True)
        section, good = run(name, [*BENCHMARKS[name], *(["--rounds", "3"] if asked.quick else [])])
        sections.append(section)
        well &= good
    head = f"# Benchmarks\n\nMade by `python -m benchmarks`. {conditions()}.\n\n"
    asked.out.write_text(head + "\n".join(sections))
    print(asked.out)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
