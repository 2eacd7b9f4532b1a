"""What is known of an architecture without building it: facts, counts that were stored, figures.

The counts lie in `counts.json`, one entry per network at its default settings and 256 pixels;
`python benchmarks/store_counts.py` writes it, and a test counts a sample again. No torch here.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from segkit.api import Architecture
from segkit.metrics.published import PublishedRow, all_rows

SIZE = (256, 256)
FILE = "counts.json"
KEYS = ("params", "weights_mb", "input", "macs", "scan_ops", "flops", "paper_counter")
ALIASES = {
    "attentionunet": "attunet",
    "segformer": "segformer_b1",  # the tables that name it print 13.7 M parameters
}


@cache
def entries() -> dict[str, dict[str, Any]]:
    """The stored counts by architecture."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def counts(value: Architecture, size: tuple[int, int] | None) -> dict[str, Any] | None:
    """The stored counts at this size, unless the network has changed since."""
    found = entries().get(value.name)
    asked = value.size if size is None else size
    if found is None or tuple(asked) != SIZE or found["params"] != value.params:
        return None
    return {key: found[key] for key in KEYS}


def facts(value: Architecture) -> dict[str, Any]:
    """What a row of the zoo says besides counts."""
    return {
        "name": value.name,
        "status": "ok",
        "reason": "",
        "summary": value.summary,
        "year": value.paper.year if value.paper else None,
        "venue": value.paper.venue if value.paper else "",
        "url": value.paper.url if value.paper else "",
        "published": published(value),
        **_published_scores(value),
    }


def _published_scores(value: Architecture) -> dict[str, Any]:
    """Scores of the network that stands here, and apart those of others that bear its name."""
    rows = published_rows(value.name)
    own = [row for row in rows if of_this_size(row.params_m, value.params)]
    others = [row for row in rows if row not in own]
    return {
        "published_scores": [_score(row) for row in own],
        "published_elsewhere": [{"name": row.name, **_score(row)} for row in others],
    }


def of_this_size(printed: float | None, params: int | None) -> bool:
    """Whether a printed size in millions is that of this network: equal as printed, or to 2 %."""
    if printed is None or params is None:
        return False
    own = params / 1e6
    return abs(printed - own) <= max(0.02 * own, 0.005)


def published(value: Architecture) -> dict[str, Any] | None:
    """The paper's own figures, with their source; never ours."""
    figures = asdict(value.published)
    if figures["params_m"] is None and figures["gflops"] is None:
        return None
    return figures


def published_rows(name: str) -> list[PublishedRow]:
    """The rows of published tables that carry this architecture's name."""
    spellings = (name, name.replace("_", ""))
    return [found for found in all_rows() if _key(found.name) in spellings]


def _key(printed: str) -> str:
    """`UNet++` as the catalogue of architectures writes it: unetpp."""
    text = printed.lower().replace("++", "pp").replace("+", "plus")
    plain = re.sub(r"[^a-z0-9]", "", text)
    return ALIASES.get(plain, plain)


def _score(found: PublishedRow) -> dict[str, Any]:
    return {
        "data": found.data,
        "dice": found.scores.get("dice"),
        "iou": found.scores.get("iou"),
        "params_m": found.params_m,
        "aggregation": found.aggregation,
        "selection": found.selection,
        "source": found.source,
    }
