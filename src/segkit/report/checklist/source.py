"""The forms there are, and the papers they come from. Stdlib only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """The forms there are."""

    claim2024 = "claim2024"
    tripod_ai = "tripod-ai"
    metrics_reloaded = "metrics-reloaded"


@dataclass(frozen=True)
class Source:
    """Where a form comes from."""

    title: str
    doi: str
    numbers: str = "the source's"


SOURCES = {
    Form.claim2024: Source("CLAIM, 2024 update", "10.1148/ryai.240300"),
    Form.tripod_ai: Source("TRIPOD+AI", "10.1136/bmj-2023-078378"),
    Form.metrics_reloaded: Source(
        "Metrics Reloaded, problem fingerprint of segmentation",
        "10.1038/s41592-023-02151-z",
        "ours",
    ),
}
