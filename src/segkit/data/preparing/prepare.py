"""Raw files to a prepared set: decode once, resize, pack, explain. Restartable and idempotent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from segkit import paths
from segkit.data import sources
from segkit.data.locks import locked
from segkit.data.preparing.building import PrepareProgress, build, is_current
from segkit.data.preparing.jobs import cores, file_jobs, generated_jobs
from segkit.data.preparing.options import checked_options, folder, parse_variant
from segkit.data.store import MANIFEST
from segkit.recipe import DataRecipe

__all__ = ["PrepareProgress", "ensure_prepared", "folder", "parse_variant", "prepare"]


def prepare(
    name: str,
    size: tuple[int, int] = (256, 256),
    resize: str = "stretch",
    variant: str = "original",
    options: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: PrepareProgress | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """The folder of the prepared set; made if it is not there or the raw files have changed."""
    dataset = sources.dataset(name)
    variant, options = checked_options(dataset, variant, options or {})
    root = folder(name, size, resize, variant, options)
    with locked(root.parent / ".lock", say):
        jobs = generated_jobs if dataset.generate else file_jobs
        plan, run = jobs(dataset, size, resize, variant, options)
        stamp = paths.short_hash(plan, 32)
        if not is_current(root, stamp):
            build(root, stamp, dataset, plan, run, workers or cores(), progress)
    return root


def ensure_prepared(
    name: str | None,
    data: DataRecipe,
    workers: int | None = None,
    progress: PrepareProgress | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """The prepared set that a recipe asks for: the one fetched dataset if no name is given,
    prepared if needed.
    """
    wanted = name or data.name
    if wanted and (Path(wanted) / MANIFEST).is_file():
        return Path(wanted)
    chosen = sources.choose(wanted)
    if wanted is None and say:
        say(f"using the only fetched dataset: {chosen}")
    dataset = sources.dataset(chosen)
    variant, options = checked_options(dataset, data.variant, {})
    root = folder(chosen, data.size, data.resize, variant, options)
    if say and not (root / MANIFEST).is_file():
        say(f"preparing {chosen} at {data.size[0]}x{data.size[1]} ({data.resize})")
    return prepare(chosen, data.size, data.resize, data.variant, {}, workers, progress, say)
