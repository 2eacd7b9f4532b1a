"""The plan of `benchmarks.real_results`: which networks, pictures, sizes, epochs, seeds, recipes.

Epochs are chosen so that all of it takes about 90 minutes of one CPU core: an epoch of ISIC 2017 at
64² (1260 pictures, forward and backward, one thread) took 20 s (U-Net), 22 (QTSeg), 77 (VMPANet),
91 (DermoMamba), 134 (EAM-Net); at 128² it would be 69, 34, 376, 391 and 546 s.
"""

from __future__ import annotations

import shlex
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

    def folder(self, root: Path, seed: int) -> Path:
        """Where the run of a seed lies."""
        return root / f"{self.name}-s{seed}"

    def command(self, root: Path, seed: int) -> list[str]:
        """The words behind `segkit` that make the run of a seed."""
        words = ["train", self.network, "--data", self.data, "--recipe", self.recipe]
        words += [*shlex.split(self.words), "--seed", str(seed), "--device", "cpu"]
        return [*words, "--out", str(self.folder(root, seed))]


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


def plan() -> list[Experiment]:
    """All rows."""
    equal = "benchmarks/equal.toml"
    rows = [
        Experiment(f"{name}-equal", name, "isic2017", equal, SKIN, (0, 1, 2), LESS)
        for name in NETWORKS
    ]
    for name, (recipe, more, note) in OWN.items():
        words = f"{SKIN} {more}".strip()
        rows.append(
            Experiment(f"{name}-own", name, "isic2017", recipe, words, (0,), f"{LESS} {note}")
        )
    shared = "128² and 8 epochs of 512² and 350 epochs; batch 8 of 32"
    for name, recipe, note in (
        ("qtseg", "paper", f"{shared}; encoder from scratch and not frozen"),
        ("unet", "plugins/segkit_qtseg/paper.toml", f"{shared}; QTSeg's recipe"),
    ):
        rows.append(Experiment(f"{name}-nuclei", name, "dsb2018", recipe, NUCLEI, (0,), note))
    return rows


def in_order(rows: list[Experiment]) -> list[tuple[Experiment, int]]:
    """The runs, most telling first: equal terms seed by seed, QTSeg's folds, own recipes, rest."""
    urgency = {"equal": 0, "qtseg-nuclei": 1, "own": 2}

    def key(pair: tuple[int, tuple[Experiment, int]]) -> tuple[int, int, int]:
        place, (row, seed) = pair
        kind = row.name.rsplit("-", 1)[1]
        return urgency.get(row.name, urgency.get(kind, 3)), seed, place

    pairs = [(row, seed) for row in rows for seed in row.seeds]
    return [pair for _, pair in sorted(enumerate(pairs), key=key)]
