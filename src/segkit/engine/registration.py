"""Registered runs: what was to be shown, fixed before the first step, and what changed since.

`segkit train --register "hypothesis"` writes `registration.json` into the run: the hypothesis, the
metric, the smallest difference of interest, and hashes of recipe, split and plan. Every output that
reads the run says "registered", or what is no longer as it was. Stdlib only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine import runfiles
from segkit.engine.runs import Run
from segkit.errors import UsageError
from segkit.recipe import differing_keys

FILE = "registration.json"
FORMAT = 1
HELD = ("recipe", "split", "plan")


def register(run: Run, hypothesis: str, least: float) -> dict[str, Any]:
    """Write the registration of a run that has not begun; the same one again is fine."""
    file = run.path / FILE
    if file.is_file():
        known = read(run)
        if known and (known["hypothesis"], known["least"]) == (hypothesis, least):
            return known
        raise UsageError(f"{run.path} is registered already", "with another hypothesis")
    if any(fold.history() for fold in run.folds):
        raise UsageError(
            f"{run.path} has begun: it cannot be registered any more",
            "a hypothesis is registered before the first step",
            "Start a new run with --register.",
        )
    made: dict[str, Any] = {
        "format": FORMAT,
        "hypothesis": hypothesis,
        "metric": run.recipe.train.select,
        "least": least,
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": _recipe(run),
        "hashes": _hashes(run),
    }
    made["hash"] = paths.short_hash(made, 16)
    paths.write_json(file, made)
    return made


def check(hypothesis: str, least: float) -> None:
    """Refuse a registration that says nothing."""
    if not hypothesis.strip():
        raise UsageError("--register is empty", "say what the run is to show")
    if not 0 < least < 1:
        raise UsageError(f"--least is {least}", "a difference between 0 and 1")


def read(run: Run) -> dict[str, Any] | None:
    """The registration of a run, or None."""
    file = run.path / FILE
    return runfiles.read_document(file, runfiles.REGISTRATION) if file.is_file() else None


def statement(run: Run) -> str:
    """One line for every output: registered, what was changed since; empty if it never was."""
    found = read(run)
    if found is None:
        return ""
    said = (
        f"registered {found['registered'][:10]}: {found['hypothesis']} ({found['metric']}, "
        f"smallest difference of interest {found['least']:g}; {found['hash']})"
    )
    changed = changes(run, found)
    return f"{said}; CHANGED since: {', '.join(changed)}" if changed else said


def changes(run: Run, found: Mapping[str, Any]) -> list[str]:
    """What is no longer as it was registered."""
    body = {key: value for key, value in found.items() if key != "hash"}
    changed = [] if paths.short_hash(body, 16) == found["hash"] else ["the registration itself"]
    now = _hashes(run)
    for name in HELD:
        if now[name] == found["hashes"][name]:
            continue
        keys: list[str] = []
        if name == "recipe":
            keys = sorted(differing_keys(found["recipe"], _recipe(run)))
        changed.append(f"{name} ({', '.join(keys[:5])})" if keys else name)
    return changed


def _recipe(run: Run) -> dict[str, Any]:
    return runfiles.read_document(run.path / "recipe.json", dict)


def _hashes(run: Run) -> dict[str, str]:
    split: Path = run.path / "split.json"
    return {
        "recipe": paths.short_hash(_recipe(run), 16),
        "split": paths.short_hash(paths.read_json(split) if split.is_file() else None, 16),
        "plan": paths.short_hash(run.environment.get("plan"), 16),
    }


__all__ = ["FILE", "changes", "check", "read", "register", "statement"]
