"""The run folder: what a training leaves behind, read and written in one place.

    run/  recipe.json  environment.json  data.json  split.json  summary.json  report.html
          fold0/  metrics.csv  last.pt  best.safetensors  fold.json  cases.csv
          seed1/fold0/ ...                      (with several seeds: seed0/fold0, seed1/fold0, ...)

Importing this module imports neither torch nor numpy.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit import build, paths
from segkit.engine import register, runfiles
from segkit.engine.runfiles import read_document
from segkit.errors import SegkitError, UsageError
from segkit.recipe import Recipe, from_dict, to_dict

if TYPE_CHECKING:
    from torch import nn

    from segkit.data.splitting.splits import Split

COLUMNS = (
    "epoch",
    "lr",
    "loss",
    "val_loss",
    "val_dice_image",
    "val_iou_image",
    "val_dice_pooled",
    "val_iou_pooled",
    "seconds",
    "images_per_s",
)


@dataclass(frozen=True)
class FoldDir:
    """The folder of one trained fold (of one seed)."""

    path: Path
    index: int
    seed: int

    @property
    def metrics_csv(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.path / "last.pt"

    @property
    def cases_csv(self) -> Path:
        return self.path / "cases.csv"

    @property
    def result_json(self) -> Path:
        return self.path / "fold.json"

    @property
    def finished(self) -> bool:
        """Training came to its end; `fold.json` is written last."""
        return self.result_json.is_file()

    @property
    def result(self) -> dict[str, Any] | None:
        """Best epoch, score and how the fold ended; None while it trains."""
        return read_document(self.result_json, runfiles.FOLD) if self.finished else None

    def history(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv` as numbers; an empty cell is nan."""
        if not self.metrics_csv.is_file():
            return []
        rows = runfiles.read_table(self.metrics_csv, COLUMNS[:1])
        try:
            return [{key: float(value or "nan") for key, value in row.items()} for row in rows]
        except ValueError as error:
            raise runfiles.damaged(self.metrics_csv, str(error)) from error


@dataclass(frozen=True)
class Run:
    """A run folder, read on demand.

    `packaged`: it is a trained network of some distribution, and nothing is written into it.
    """

    path: Path
    packaged: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        file = self.path / "recipe.json"
        try:
            return from_dict(read_document(file, dict))
        except UsageError as error:
            raise runfiles.damaged(file, error.as_text().replace("\n", ": ")) from error

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the run knows of its data: name, classes, size, licence, counts, manifest hash."""
        return read_document(self.path / "data.json", runfiles.DATA)

    @cached_property
    def split(self) -> Split:
        """Which ids were used for what."""
        from segkit.data.splitting.splits import load_split

        return load_split(self.path / "split.json")

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device, the command, and the planned seeds and folds."""
        file = self.path / "environment.json"
        return read_document(file, runfiles.ENVIRONMENT) if file.is_file() else {}

    @property
    def folds(self) -> list[FoldDir]:
        """The folds there are, by seed, then index."""
        parents = [(0, self.path)] + [(_number(p), p) for p in self.path.glob("seed[0-9]*")]
        found = [
            FoldDir(path, _number(path), seed)
            for seed, parent in parents
            for path in parent.glob("fold[0-9]*")
        ]
        return sorted(found, key=lambda fold: (fold.seed, fold.index))

    @property
    def planned(self) -> list[FoldDir]:
        """The folds that this run is to have; those on disk when no plan was kept."""
        plan = self.environment.get("plan")
        if not plan:
            return self.folds
        seeds, folds = plan["seeds"], plan["folds"]
        many = len(seeds) > 1
        return [fold_dir(self.path, index, seed, many) for seed in seeds for index in folds]

    @property
    def selection(self) -> str:
        """The part that chose the checkpoint: "val" or "test"."""
        return self.recipe.train.select_on

    @property
    def summary(self) -> dict[str, Any] | None:
        """The scores of the test part, once they are there."""
        file = self.path / "summary.json"
        return read_document(file, runfiles.SUMMARY) if file.is_file() else None

    @property
    def training_now(self) -> bool:
        """Whether the process that trains it is alive, as far as this machine can tell."""
        facts = self.environment
        if facts.get("host") != platform.node() or not facts.get("pid"):
            return False
        return paths.process_lives(facts["pid"])

    @property
    def state(self) -> str:
        """ "done", "trained" (folds finished, not scored), or the folds finished ("2/5")."""
        planned = self.planned
        finished = sum(fold.finished for fold in planned)
        if not planned or finished < len(planned):
            return f"{finished}/{len(planned)}"
        return "done" if self.summary is not None else "trained"

    def fold(self, index: int = 0, seed: int | None = None) -> FoldDir:
        """One fold by its index; 0, where there is only one, is that one."""
        folds = self.folds
        fitting = [f for f in folds if f.index == index and seed in (None, f.seed)]
        if not fitting and len(folds) == 1 and index == 0:
            fitting = folds
        if not fitting:
            there = ", ".join(str(fold.index) for fold in folds) or "none"
            raise SegkitError(f"{self.path} has no fold {index}", f"folds there: {there}")
        return fitting[0]

    def load_model(self, fold: int | FoldDir = 0, device: Any = "cpu") -> nn.Module:
        """The network with its best weights, in eval mode."""
        where = self.fold(fold) if isinstance(fold, int) else fold
        if not where.best.is_file():
            raise SegkitError(f"{where.best} is missing", "the fold has no checkpoint yet")
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        network = build.create(self.recipe.architecture, **self.recipe.model)
        try:
            network.load_state_dict(load_file(where.best))
        except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
            lines = str(error).strip().splitlines()
            raise SegkitError(
                f"{where.best} holds no weights of {self.recipe.architecture}",
                lines[min(1, len(lines) - 1)].strip() if lines else type(error).__name__,
                "Nothing was loaded. It is damaged or belongs to another run.",
            ) from error
        return network.to(device).eval()


def _number(path: Path) -> int:
    return int(path.name.lstrip("abcdefghijklmnopqrstuvwxyz") or 0)


def fold_dir(root: Path, index: int, seed: int = 0, several_seeds: bool = False) -> FoldDir:
    """Where a fold lies, whether it exists or not."""
    parent = root / f"seed{seed}" if several_seeds else root
    return FoldDir(parent / f"fold{index}", index, seed if several_seeds else 0)


def open_run(path: Path | str) -> Run:
    """Read a run folder or a trained network by its name; anything else is an error."""
    packaged = register.is_name(path)
    path = register.place(path)
    if not (path / "recipe.json").is_file():
        why = "it has no recipe.json" if path.is_dir() else "there is no such folder"
        cure = register.hint(path) or "List the runs there are: segkit runs"
        raise SegkitError(f"{path} is not a run", why, cure)
    return Run(path, packaged)


def list_runs(root: Path | str) -> list[Run]:
    """All runs below a folder, at most three levels down, in natural order of their paths."""
    found = {
        file.parent
        for pattern in ("recipe.json", "*/recipe.json", "*/*/recipe.json", "*/*/*/recipe.json")
        for file in Path(root).glob(pattern)
    }
    return [Run(path) for path in sorted(found, key=lambda path: paths.natural_key(str(path)))]


def write_run(
    path: Path,
    recipe: Recipe,
    card: Mapping[str, Any],
    environment: Mapping[str, Any],
    split: Split | None = None,
) -> Run:
    """Begin a run folder: everything that is known before the first step."""
    if split is not None:
        from segkit.data.splitting.splits import save_split

        path.mkdir(parents=True, exist_ok=True)
        save_split(split, path / "split.json")
    paths.write_json(path / "data.json", dict(card))
    paths.write_json(path / "environment.json", dict(environment))
    paths.write_json(path / "recipe.json", to_dict(recipe))
    return Run(path)
