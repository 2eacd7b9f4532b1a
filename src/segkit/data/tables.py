"""CSV tables that people write: pairs, groups, splits. Stdlib only."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from segkit.errors import SegkitError, UsageError


def read_rows(path: Path, columns: Sequence[str], what: str) -> list[dict[str, str]]:
    """The rows of a CSV file with at least these columns; `what` says what it should have been."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(handle)]
    except UnicodeDecodeError as error:
        raise SegkitError(
            f"{path} cannot be read", "it is not UTF-8 text", "Save it as CSV UTF-8."
        ) from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SegkitError(f"{path} cannot be read", reason) from error
    if not rows or not set(columns) <= set(rows[0]):
        named = " and ".join(f"'{name}'" for name in columns)
        raise UsageError(f"{path} is no {what}", f"columns {named} are needed")
    return rows
