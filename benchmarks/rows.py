"""The rows of the common table: a benchmark names its pairs, `python -m benchmarks` collects them.

Alone, a benchmark only prints; run by `python -m benchmarks` it finds a file named in the
environment, and writes there what was measured against what.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FILE = "SEGKIT_BENCHMARK_ROWS"


def row(what: str, ours: float, peer: str, theirs: float, unit: str) -> None:
    """One measured pair, in the same unit; less is better."""
    if FILE in os.environ:
        with Path(os.environ[FILE]).open("a") as file:
            file.write(json.dumps([what, ours, peer, theirs, unit]) + "\n")


def read(file: Path) -> list[list[Any]]:
    """The rows of a file, in the order in which they were measured."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def table(rows: list[list[Any]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| what | segkit | peer | ratio |", "|---|---|---|---|"]
    for what, ours, peer, theirs, unit in rows:
        times = f"{theirs / ours:.3g}×" if ours else "–"
        lines.append(f"| {what} | {ours:.4g} {unit} | {peer}: {theirs:.4g} {unit} | {times} |")
    return lines
