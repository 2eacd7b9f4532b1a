"""What the files of a run folder hold, and the one reader that checks it. Stdlib only.

A file that was cut, edited or exchanged is one line that names it and the place in it; whoever
lists runs shows that line and goes on.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from segkit import paths, words
from segkit.errors import SegkitError

NUMBER = (int, float)
MAYBE_NUMBER, MAYBE_TEXT, MAYBE_TABLE = (int, float, None), (str, None), (dict, None)

# a dict names keys ("key?" may be absent, "*" stands for all others), a list the kind of its items,
# a tuple the kinds that are allowed
DATA = {
    "name": str,
    "classes": [str],
    "size?": [int],
    "options?": MAYBE_TABLE,
    "counts?": MAYBE_TABLE,
    "count?": int,
    **{f"{key}?": MAYBE_TEXT for key in ("title", "hash", "root", "licence", "citation", "page")},
    **{f"{key}?": MAYBE_TEXT for key in ("resize", "variant")},
}
ENVIRONMENT = {
    "plan?": {"seeds": [int], "folds": [int]},
    "pid?": (int, None),
    "threads?": (int, None),
    "processes?": (int, None),
    "versions?": {"*": MAYBE_TEXT},
    **{f"{key}?": MAYBE_TEXT for key in ("host", "command", "started", "device", "backend")},
    **{f"{key}?": MAYBE_TEXT for key in ("segkit", "python", "platform")},
}
FIGURE = {"mean": MAYBE_NUMBER, "ci95?": [MAYBE_NUMBER], "sd?": MAYBE_NUMBER}
CURVE = {"aurc": NUMBER, "aurc_best": NUMBER, "aurc_random": NUMBER, "points": [[NUMBER]]}
SUMMARY = {
    "n": int,
    "metrics": {"*": FIGURE},
    "slices?": [{"feature": str, "slice": str, "n": int, "*": MAYBE_NUMBER}],
    "worst?": [{"id": str}],
    "folds?": [{"fold": int, "n": int}],
    "empty?": {"*": int},
    "classes?": {"*": {"pictures?": int, "predicted?": int, "*": FIGURE}},
    "trainings?": (dict, None),
    "interval?": dict,
    "protocols?": {"*": dict},
    "calibration?": {"ece": MAYBE_NUMBER, "brier": MAYBE_NUMBER, "bins": list},
    "risk_coverage?": CURVE,
    "rows?": [dict],
    "notes?": [str],
    "cases?": int,
    "ms_per_image?": MAYBE_NUMBER,
    **{f"{key}?": MAYBE_TEXT for key in ("selection", "split", "data", "trained_on", "at", "tta")},
}
MARGIN = {"expectation": MAYBE_NUMBER, "per_picture": MAYBE_NUMBER}
CERTIFICATE = {
    "format": int,
    "alpha": NUMBER,
    "delta": NUMBER,
    "classes": [str],
    "size": [int],
    "resize": str,
    "threshold": NUMBER,
    "tta": str,
    "weights": str,
    "groups": {"names": [str], "edges": [NUMBER]},
    "margins": [
        {"class": str, "group": str, "n": int, "enough": bool, "outer": MARGIN, "inner": MARGIN}
    ],
    "coverage": [
        {"class": str, "group": str, "form": str, "side": str, "n": int, "value": NUMBER}
        | {"promised": NUMBER, "ci95": [MAYBE_NUMBER], "radius": MAYBE_NUMBER}
    ],
    "shift": {"names": [str], "centre": [NUMBER], "spread": [NUMBER], "calibration": [[NUMBER]]},
    "doubt": (dict, None),
    "risk_coverage?": (dict, None),
    "deferral?": [{"share": NUMBER, "before": NUMBER, "after": NUMBER, "gain": NUMBER}],
    "notes": [str],
}
REGISTRATION = {
    "format": int,
    "hypothesis": str,
    "metric": str,
    "least": NUMBER,
    "registered": str,
    "recipe": dict,
    "hashes": {"recipe": str, "split": str, "plan": str},
    "hash": str,
}
FOLD = {"best_epoch?": int, "score?": MAYBE_NUMBER, "epochs?": int, "seconds?": NUMBER}


def read_document(path: Path, kind: Any) -> dict[str, Any]:
    """A JSON file of a run, held against what it must hold."""
    value: dict[str, Any] = paths.read_json(path)
    wrong = misfit(value, kind)
    if wrong:
        raise damaged(path, wrong)
    return value


def damaged(path: Path, why: str) -> SegkitError:
    """The line about a file that does not hold what it must."""
    return SegkitError(f"{path} is damaged", why, "Restore it, or train the run again.")


def misfit(value: Any, kind: Any, place: str = "") -> str:
    """Where a value is not of its kind; empty if it is."""
    if isinstance(kind, dict):
        return _misfit_of_table(value, kind, place)
    if isinstance(kind, list):
        if not isinstance(value, list):
            return f"{place or 'it'} is no list"
        found = (misfit(item, kind[0], f"{place}[{i}]") for i, item in enumerate(value))
        return next(filter(None, found), "")
    kinds = kind if isinstance(kind, tuple) else (kind,)
    fits = any(
        value is None if one is None else isinstance(value, one) and _exactly(value, one)
        for one in kinds
    )
    return "" if fits else f"{place or 'it'} is {_short(value)}"


def _misfit_of_table(value: Any, kind: dict[str, Any], place: str) -> str:
    if not isinstance(value, dict):
        return f"{place or 'it'} is no table"
    known = {key.removesuffix("?"): inner for key, inner in kind.items()}
    absent = [key for key in kind if not key.endswith("?") and key != "*" and key not in value]
    if absent:
        return f"'{place}{'.' if place else ''}{absent[0]}' is missing"
    for key, inner in value.items():
        rule = known.get(key, known.get("*"))
        wrong = rule is not None and misfit(inner, rule, f"{place}.{key}" if place else str(key))
        if wrong:
            return str(wrong)
    return ""


def _exactly(value: Any, kind: Any) -> bool:
    """True and False are no numbers."""
    return kind is bool or not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def read_table(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file of a run: every row whole, with the columns that are needed."""
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
            heads = reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, str(error)) from error
    absent = [name for name in needed if name not in heads]
    if absent:
        raise damaged(path, f"the column '{absent[0]}' is missing")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise damaged(path, f"line {number} has another number of cells than the head")
    return [{name: words.uncell(text) for name, text in row.items()} for row in rows]
