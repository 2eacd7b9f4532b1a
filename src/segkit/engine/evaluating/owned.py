"""A copy of a run in a folder of one's own: a trained network is scored there."""

from __future__ import annotations

import shutil
from pathlib import Path

from segkit import paths
from segkit.engine.certificate import weights_hash
from segkit.engine.runs import Run
from segkit.errors import UsageError

MARK = "recipe.json"  # written last: a folder that has it is a whole run


def own_copy(run: Run, out: Path) -> Run:
    """The run copied to `out`, which other commands then take as a run; made once."""
    if (out / MARK).is_file():
        return _same(run, out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out is {out}", "it is a file", "Name a folder.")
    files = [file for file in sorted(run.path.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda file: file == run.path / MARK):
        with paths.replacing(out / file.relative_to(run.path)) as temporary:
            shutil.copyfile(file, temporary)
    return Run(out)


def _same(run: Run, out: Path) -> Run:
    if weights_hash(out) != weights_hash(run.path):
        raise UsageError(f"--out is {out}", "another run lies there", "Choose another folder.")
    return Run(out)
