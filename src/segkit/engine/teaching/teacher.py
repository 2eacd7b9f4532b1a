"""Who teaches a smaller network: a run, a trained network by its name, an ONNX file. No torch here.

A recipe names its teacher and the SHA-256 of the teacher's weights, so that a run which is resumed
or repeated is taught by the same network or not at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from segkit import paths
from segkit.engine import register
from segkit.engine.runs import Run, open_run
from segkit.errors import SegkitError, UsageError
from segkit.recipe import Recipe

if TYPE_CHECKING:
    from segkit.data.splitting.types import Fold


@dataclass(frozen=True)
class Look:
    """How a network wants its pictures, and what it tells apart."""

    size: tuple[int, int]
    rule: str
    colour: str
    classes: tuple[str, ...]
    inside: bool = False  # it normalises by itself: uint8 (B, H, W, 3) in


@dataclass(frozen=True)
class Teacher:
    """A trained network as files: the weights of the folds of a run, or one ONNX file."""

    source: str  # as the user named it
    run: Run | None  # None: an ONNX file
    weights: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file of weights; of several files, that of the list of theirs."""
        digests = [paths.sha256(file) for file in self.weights]
        if self.run is None or len(digests) == 1:
            return digests[0]
        named = zip(digests, self.weights, strict=True)
        lines = [f"{d}  {f.relative_to(self.run.path).as_posix()}\n" for d, f in named]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @cached_property
    def look(self) -> Look:
        """What its recipe or its file says of its pictures."""
        if self.run is not None:
            data, classes = self.run.recipe.data, tuple(self.run.card["classes"])
            return Look(data.size, data.normalise, data.colour, classes)
        from segkit.engine.predicting.onnx_runtime import OnnxSegmenter

        segmenter = OnnxSegmenter(self.weights[0])
        card = segmenter.card
        rule, inside = card["normalise"], card["preprocessing"] == "inside"
        return Look(segmenter.size, rule, card["colour"], segmenter.classes, inside)

    @property
    def recipe_file(self) -> Path | None:
        """How it was trained itself, where that is known."""
        return self.run.path / "recipe.json" if self.run else None


def find(source: str) -> Teacher:
    """The teacher that a path or a name stands for."""
    path = register.place(source)
    if path.suffix == ".onnx" and path.is_file():
        return Teacher(source, None, (path,))
    if not (path / "recipe.json").is_file():
        why = "it is no run folder and no .onnx file" if path.exists() else "there is no such file"
        cure = register.hint(path) or "`segkit runs` and `segkit models list` say what there is."
        raise UsageError(f"{source} cannot teach", why, cure)
    run = open_run(path)
    weights = tuple(fold.best for fold in run.folds if fold.best.is_file())
    if not weights:
        raise UsageError(f"{source} cannot teach", "no fold of it has a checkpoint yet")
    return Teacher(source, run, weights)


def identified(recipe: Recipe) -> Recipe:
    """The recipe with the hash of its teacher; another network under that name is refused."""
    asked = recipe.distil
    if not asked.teacher:
        return recipe
    found = find(asked.teacher).sha256
    if asked.sha256 and asked.sha256 != found:
        raise SegkitError(
            f"the teacher {asked.teacher} is not the one that the recipe names",
            f"its weights have the SHA-256 {found[:12]}…, the recipe says {asked.sha256[:12]}…",
            "Bring that network back, or start a new run with --out.",
        )
    return dataclasses.replace(recipe, distil=dataclasses.replace(asked, sha256=found))


def check(recipe: Recipe, folds: Sequence[Fold], classes: Sequence[str]) -> None:
    """Before anything is written: the teacher knows the classes and none of the answers."""
    if recipe.distil.teacher:
        refuse_unfit(find(recipe.distil.teacher), recipe.data.colour, tuple(classes))
        for fold in folds:
            weights_for(recipe, fold)


def weights_for(recipe: Recipe, fold: Fold) -> tuple[Path, ...]:
    """The weights that may teach a fold, if the recipe has a teacher."""
    if not recipe.distil.teacher:
        return ()
    found = find(identified(recipe).distil.teacher)
    return teaching(found, fold, str(recipe.data.name))


def refuse_unfit(teacher: Teacher, colour: str, classes: tuple[str, ...]) -> None:
    """A teacher of other classes or colours has nothing to say on these pictures."""
    look = teacher.look
    if len(look.classes) != len(classes) or (len(classes) > 2 and look.classes != classes):
        theirs, ours = (", ".join(names) for names in (look.classes, classes))
        raise UsageError(
            f"{teacher.source} cannot teach these classes", f"its own: {theirs}; here: {ours}"
        )
    if look.colour != colour:
        raise UsageError(
            f"{teacher.source} was trained on {look.colour} pictures, data.colour is {colour}",
            "teacher and pupil look at the same pixels",
            f"Use --set data.colour={look.colour}.",
        )


def teaching(teacher: Teacher, part: Fold, data: str) -> tuple[Path, ...]:
    """The weights that may teach a fold: those that have not seen what the fold is judged on."""
    run = teacher.run
    if run is None or run.card["name"] != data or not (run.path / "split.json").is_file():
        return teacher.weights
    folds = {fold.best: run.split.folds[fold.index] for fold in run.folds}
    seen = {file: _seen(folds[file], part) for file in teacher.weights}
    fresh = tuple(file for file, ids in seen.items() if not ids)
    if fresh:
        return fresh
    least = min(map(len, seen.values()))
    raise UsageError(
        f"{teacher.source} was trained on pictures that this split holds back",
        f"{least} of the {len(part.test)} test and {len(part.val)} selecting ones",
        f"Take its split: --split-file {run.path / 'split.json'}",
    )


def _seen(theirs: Fold, part: Fold) -> set[str]:
    """Pictures of a fold's test or selecting part that trained or chose the other network."""
    return (set(part.test) & {*theirs.train, *theirs.val}) | (set(part.val) & set(theirs.train))
