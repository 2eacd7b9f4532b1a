"""Options that several commands read alike: `--size`, `--fold-jobs`, `--set model.KEY=VALUE`."""

from __future__ import annotations

import re
from typing import Any

from segkit.errors import UsageError
from segkit.limits import MAX_SIDE
from segkit.recipe import merge, parse_set


def parse_size(text: str) -> tuple[int, int]:
    """ "256" is a square, "192x256" is height × width."""
    match = re.fullmatch(r"(\d{1,9})(?:[x×](\d{1,9}))?", text.strip())
    if match is None or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise UsageError(
            f"--size {text!r} is not understood", "write N or HxW, for example 192x256"
        )
    height, width = int(match[1]), int(match[2] or match[1])
    if max(height, width) > MAX_SIDE:
        raise UsageError(f"--size {text} is too large", f"at most {MAX_SIDE} a side")
    return height, width


def parse_sizes(text: str | None) -> list[tuple[int, int] | None]:
    """All sizes of a list; no list is [None]: the network's own size."""
    if text is None:
        return [None]
    return [parse_size(item) for item in text.split(",") if item.strip()] or [None]


def parse_jobs(text: str) -> int:
    """How many folds at the same time; 0 stands for auto."""
    if text == "auto":
        return 0
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--fold-jobs {text!r} is not understood", "write a number, or auto")
    return int(text)


def model_settings(assignments: list[str], command: str) -> dict[str, Any]:
    """`--set model.key=value` only: where nothing else of a recipe has a meaning."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        parsed = parse_set(assignment)
        if set(parsed) != {"model"}:
            raise UsageError(f"--set {assignment}", f"{command} takes settings of model. only")
        settings = merge(settings, parsed["model"])
    return settings
