"""One readable report on a prepared set: what is broken, odd, missing or there twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from segkit import paths
from segkit.data.splitting.groups import clusters, groups_of
from segkit.data.store import PreparedSet


def check(prepared: PreparedSet, verify: bool = False) -> dict[str, Any]:
    """The report; `errors` are what a run should not be started with, `warnings` are worth a
    look.
    """
    manifest = prepared.manifest
    problems = [p for p in manifest["problems"] if p["kind"] != "unlabelled"]
    errors = [_line(p) for p in problems if not p["kept"]]
    if verify:
        errors += _changed_arrays(prepared)
    return {
        "name": prepared.name,
        "root": str(prepared.root),
        "count": len(prepared),
        "counts": manifest["counts"],
        "unlabelled": sum(p["kind"] == "unlabelled" for p in manifest["problems"]),
        "errors": errors,
        "warnings": [_line(p) for p in problems if p["kept"]] + count_warnings(manifest),
        "problems": problems,
        "duplicates": duplicate_summary(prepared),
        "sizes": _sizes(prepared),
        "share": _shares(prepared),
        "verified": verify,
    }


def _line(problem: dict[str, Any]) -> str:
    return f"{problem['id']}: {problem['kind']} ({problem['text']})"


def count_warnings(manifest: dict[str, Any]) -> list[str]:
    """Parts whose number of pairs is not the official one; a part that was not fetched is no
    defect.
    """
    if manifest["variant"] != "original":
        return []
    kept_out = Counter(p["part"] for p in manifest["problems"] if not p["kept"])
    return [
        f"{manifest['name']} {part}: {known['found']} of {known['official']} pairs"
        for part, known in manifest["counts"].items()
        if known["official"] not in (None, known["found"]) and (known["found"] or kept_out[part])
    ]


def duplicate_summary(prepared: PreparedSet) -> dict[str, Any]:
    """How many twins of each kind, and the groups they form."""
    twins = prepared.manifest.get("duplicates", [])
    together = clusters(prepared, groups_of(prepared, None))
    return {
        "pairs": dict(sorted(Counter(twin["kind"] for twin in twins).items())),
        "groups": len(together),
        "pictures": sum(len(members) for members in together),
    }


def _sizes(prepared: PreparedSet) -> dict[str, Any]:
    sizes = Counter(f"{item['width']}x{item['height']}" for item in prepared.items)
    return {"different": len(sizes), "most_frequent": dict(sizes.most_common(5))}


def _shares(prepared: PreparedSet) -> dict[str, float]:
    """Foreground share of the pictures."""
    shares = np.array([item["share"] for item in prepared.items])
    low, middle, high = np.quantile(shares, [0, 0.5, 1])
    return {"min": float(low), "median": round(float(middle), 6), "max": float(high)}


def _changed_arrays(prepared: PreparedSet) -> list[str]:
    return [
        f"{file} is not what the manifest says: delete {prepared.root} and prepare again"
        for file, known in prepared.manifest["arrays"].items()
        if paths.sha256(prepared.root / file) != known
    ]
