"""The plans of `benchmarks.real_results`: networks, pictures, sizes, epochs, seeds, recipes.

On a CPU, epochs are chosen so that all of it takes some hours of one CPU core: an epoch of
ISIC 2017 at 64² (1260 pictures, forward and backward, one thread) took 20 s (U-Net), 22 (QTSeg), 77
(VMPANet), 91 (DermoMamba), 134 (EAM-Net); at 128² it would be 69, 34, 376, 391 and 546 s.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NETWORKS = ("unet", "qtseg", "vmpanet", "dermomamba", "eamnet")


@dataclass(frozen=True)
class Experiment:
    """A row of the page: one network, one recipe, one split; several seeds are averaged."""

    name: str
    network: str
    data: str
    recipe: str
    words: str  # the other words of the command
    seeds: tuple[int, ...]
    note: str  # what is reduced against the paper
    device: str = "cpu"
    rank: int = 0  # the most telling first

    def folder(self, root: Path, seed: int) -> Path:
        """Where the run of a seed lies."""
        return root / f"{self.name}-s{seed}"

    def command(self, root: Path, seed: int) -> list[str]:
        """The words behind `segkit` that make the run of a seed."""
        words = ["train", self.network, "--data", self.data, "--recipe", self.recipe]
        words += [*shlex.split(self.words), "--seed", str(seed), "--device", self.device]
        return [*words, "--out", str(self.folder(root, seed))]


EQUAL = "benchmarks/equal.toml"
SKIN = "--split 7:3 --size 64 --epochs 3"
NUCLEI = "--size 128 --epochs 8 --batch 8 --set train.freeze_epochs=0"
LESS = "64² and 3 epochs"
OWN = {
    "qtseg": (
        "isic",
        "--batch 8 --set train.freeze_epochs=0",
        "of 512² and 350 epochs; encoder from scratch and not frozen, batch 8 of 32",
    ),
    "vmpanet": ("paper", "", "of 256² and 200 epochs"),
    "dermomamba": (
        "recommended",
        "",
        "of 192×256 and 200 epochs; `recommended`, because `paper` takes only 192×256",
    ),
    "eamnet": ("paper", "", "of 224×320 and 250 epochs"),
}


def on_cpu() -> list[Experiment]:
    """Minutes a row: small pictures, few epochs."""
    rows = [
        Experiment(f"{name}-equal", name, "isic2017", EQUAL, SKIN, (0, 1, 2), LESS)
        for name in NETWORKS
    ]
    for name, (recipe, more, note) in OWN.items():
        words = f"{SKIN} {more}".strip()
        note = f"{LESS} {note}"
        row = Experiment(f"{name}-own", name, "isic2017", recipe, words, (0,), note, rank=2)
        rows.append(row)
    shared = "128² and 8 epochs of 512² and 350 epochs; batch 8 of 32"
    two = f"{NUCLEI} --set model.num_classes=2"
    for name, recipe, words, note, rank in (
        ("qtseg", "paper", NUCLEI, f"{shared}; encoder from scratch and not frozen", 1),
        ("unet", "plugins/segkit_qtseg/paper.toml", two, f"{shared}; QTSeg's recipe", 3),
    ):
        about = (words, (0,), note, "cpu", rank)
        rows.append(Experiment(f"{name}-nuclei", name, "dsb2018", recipe, *about))
    return rows


FAST = "--amp bf16 --fold-jobs auto --save-minutes 3"
SCRATCH = "encoder from scratch and not frozen"
FULL = {
    "qtseg": ("isic", "--size 256 --set train.freeze_epochs=0", f"256² of 512²; {SCRATCH}"),
    "vmpanet": ("paper", "", "nothing"),
    "dermomamba": ("recommended", "--size 256", "256² of 192×256; `recommended` of `paper`"),
    "eamnet": ("paper", "--size 256", "256² of 224×320"),
}


def on_cuda() -> list[Experiment]:
    """QTSeg's five folds as published, then all networks at 256² with three seeds side by side."""
    whole = f"--set train.freeze_epochs=0 {FAST}"
    rows = [Experiment("qtseg-nuclei", "qtseg", "dsb2018", "paper", whole, (0,), SCRATCH, "cuda")]
    seeds = f"--split 7:3 --seeds 3 {FAST}"
    for name in NETWORKS:
        words, note = f"{seeds} --size 256", "equal terms, nobody's own recipe; 100 epochs"
        row = Experiment(f"{name}-equal", name, "isic2017", EQUAL, words, (0,), note, "cuda")
        rows.append(row)
    for name, (recipe, more, note) in FULL.items():
        words = f"{seeds} {more}".strip()
        row = Experiment(f"{name}-own", name, "isic2017", recipe, words, (0,), note, "cuda")
        rows.append(row)
    return rows


PLANS: dict[str, Callable[[], list[Experiment]]] = {"cpu": on_cpu, "cuda": on_cuda}


def in_order(rows: list[Experiment]) -> list[tuple[Experiment, int]]:
    """The runs by rank, then seed by seed over all networks: a stopped plan still compares."""
    pairs = [(row, seed) for row in rows for seed in row.seeds]
    return sorted(pairs, key=lambda pair: (pair[0].rank, pair[1]))
