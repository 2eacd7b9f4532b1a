"""Compile the Triton kernels ahead of time for NVIDIA cards that are not here; what they use.

    python -m benchmarks.kernels      # the table, as Markdown; exit 1 if a kernel spills on sm_90

No GPU is needed: Triton brings the assembler, and a tool that reads registers and local memory.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from segkit_kernels import triton_kernels as kernels

CARDS = {
    "sm_80": "A100",
    "sm_86": "RTX 30",
    "sm_89": "L4, RTX 40",
    "sm_90": "H100, H200",
    "sm_100": "B200",
    "sm_120": "RTX 50",
}
STRICT = "sm_90"  # where a spill is an error
STATES = {"SS2D, N 16": (16, True), "sequence, N 16": (16, False), "SS2D, N 8": (8, True)}
OWN_FLAGS = {
    "forward": {"WRITE": True},
    "forward, ends only": {"WRITE": False},
    "backward_flow": {},
    "backward": {},
}


@dataclass(frozen=True)
class Used:
    """What one kernel uses on one card."""

    kernel: str
    shape: str
    card: str
    registers: int
    spilled: int  # bytes of local memory
    shared: int  # bytes


def constants(kernel: Any, state: int, mapped: bool, more: dict[str, Any]) -> dict[str, Any]:
    """The compile-time values of a call, as the backend gives them."""
    known = {
        "N2": triton.next_power_of_2(state),
        "MAP": mapped,
        "REVERSE": False,
        "BIAS": True,
        "SOFT": True,
        "SKIP": True,
        "STEPS": kernels.CHUNK,
        **more,
    }
    return {p.name: known[p.name] for p in kernel.params if p.is_constexpr}


def signature(kernel: Any) -> dict[str, str]:
    """Types of the arguments: tensors before the strides and sizes, which are integers."""
    types = {}
    numbers = False
    for parameter in kernel.params:
        numbers = numbers or bool(re.fullmatch(r"[a-z]_[bkdnl]|batch|length|rows", parameter.name))
        kind = "i32" if numbers else "*fp32"
        types[parameter.name] = "constexpr" if parameter.is_constexpr else kind
    return types


def compiled(kernel: Any, fixed: dict[str, Any], card: str) -> Any:
    """The kernel for a card, as Triton's compiler leaves it."""
    source = ASTSource(
        kernel, signature(kernel), {(_place(kernel, k),): v for k, v in fixed.items()}
    )
    target = GPUTarget("cuda", int(card.removeprefix("sm_")), 32)
    many = kernels.warps(fixed["N2"]) if kernel is kernels.backward else 4
    return triton.compile(source, target=target, options={"num_warps": many})


def _place(kernel: Any, name: str) -> int:
    return [parameter.name for parameter in kernel.params].index(name)


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers per thread, and bytes of local memory (what did not fit into registers)."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        words = [str(tool), "-res-usage", str(file)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", said)}
    return found["REG"], found["STACK"] + found["LOCAL"]


def survey(cards: list[str]) -> Iterator[Used]:
    """Every kernel at every shape on every card."""
    for name, more in OWN_FLAGS.items():
        kernel = getattr(kernels, name.partition(",")[0])
        for shape, (state, mapped) in STATES.items():
            for card in cards:
                made = compiled(kernel, constants(kernel, state, mapped, more), card)
                registers, spilled = resources(made.asm["cubin"])
                yield Used(name, shape, card, registers, spilled, made.metadata.shared)


def table(rows: list[Used], cards: list[str]) -> str:
    """Markdown: registers a thread (and bytes spilled); bytes of shared memory."""
    lines = ["| kernel | shape | " + " | ".join(f"{c} ({CARDS[c]})" for c in cards) + " |"]
    lines.append("|---|---|" + "---|" * len(cards))
    keys = dict.fromkeys((row.kernel, row.shape) for row in rows)
    for kernel, shape in keys:
        found = {r.card: r for r in rows if (r.kernel, r.shape) == (kernel, shape)}
        cells = [_cell(found[card]) for card in cards]
        lines.append(f"| `{kernel}` | {shape} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(used: Used) -> str:
    spilled = f", {used.spilled} spilled" if used.spilled else ""
    return f"{used.registers}{spilled}; {used.shared}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", default=",".join(CARDS))
    cards = parser.parse_args().cards.split(",")
    rows = list(survey(cards))
    print(table(rows, cards))
    spilled = [row for row in rows if row.spilled and row.card == STRICT]
    for row in spilled:
        print(
            f"{row.kernel} ({row.shape}) spills {row.spilled} bytes on {row.card}", file=sys.stderr
        )
    return int(bool(spilled))


if __name__ == "__main__":
    sys.exit(main())
