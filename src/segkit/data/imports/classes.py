"""Which class indices the masks of an import hold, and what the classes are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from segkit.data import images
from segkit.data.imports.matching import Proposal
from segkit.errors import SegkitError, UsageError


def with_classes(proposal: Proposal, names: Sequence[str] = ()) -> Proposal:
    """The proposal with a name for each class index; without `names` they are numbered."""
    rules = {pair.decode for pair in proposal.pairs}
    if not rules & set(images.INDEXED):
        if names:
            raise UsageError("--classes has no meaning here", "it is for --decode classes")
        return proposal
    found = _indices(proposal)
    highest = max((index for index in found if index != images.VOID), default=0)
    if found <= {0, images.VOID}:
        what = "the masks hold 0 and 255 only" if found else "no mask can be read"
        raise UsageError(what, "these are binary masks, not class indices", "Use --decode union.")
    if names and highest >= len(names):
        listing = f"{len(names)} names are given, background included"
        raise UsageError(f"--classes: the masks hold class index {highest}", listing)
    numbered = ("background", *(f"class {k}" for k in range(1, highest + 1)))
    notes = list(proposal.notes)
    if images.VOID in found and "classes" in rules:
        notes.append(
            "some masks hold 255, which is no class: their pictures will be kept out "
            "(--decode classes_void takes 255 for background)"
        )
    return replace(proposal, classes=tuple(names) or numbered, notes=tuple(notes))


def _indices(proposal: Proposal) -> set[int]:
    found: set[int] = set()
    for pair in proposal.complete:
        for file in pair.masks:
            try:
                pixels = images.indices_from(Path(file).read_bytes(), file)
            except (SegkitError, OSError):
                continue  # prepare lists it by id
            found.update(np.flatnonzero(np.bincount(pixels.ravel())).tolist())
    return found
