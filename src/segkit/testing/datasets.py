"""The contract of a dataset: complete facts; a built-in one also draws what it promises."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np

from segkit import plugins
from segkit.api import Dataset, resolve
from segkit.testing.checks import Check, Outcome, expect, run_checks

HASH = re.compile(r"(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})")


def check_dataset(dataset: str | Dataset) -> Iterator[Outcome]:
    """All checks of one dataset; nothing is downloaded."""
    value: Dataset = plugins.get("datasets", dataset) if isinstance(dataset, str) else dataset
    checks: list[Check] = [
        ("title, licence and citation are stated", lambda: _facts(value)),
        ("there is a source", lambda: _source(value)),
        ("hashes are sha256 or md5", lambda: _hashes(value)),
    ]
    if value.generate:
        checks.append(("its pictures repeat and fit their masks", lambda: _drawn(value)))
    return run_checks(value.name, checks)


def _facts(value: Dataset) -> None:
    for name in ("title", "summary", "modality", "licence", "citation"):
        expect(bool(getattr(value, name)), f"{name} is empty")
    expect(len(value.classes) >= 2, "classes need a background and a foreground")


def _source(value: Dataset) -> None:
    by_hand = bool(value.login or value.page)
    reachable = bool(value.generate) or any(archive.urls for archive in value.archives) or by_hand
    expect(reachable, "neither a generator, nor an address, nor instructions")
    expect(bool(value.generate) or value.pair is not None, "no pairing rule")


def _hashes(value: Dataset) -> None:
    for archive in value.archives:
        good = archive.hash is None or HASH.fullmatch(archive.hash)
        expect(bool(good), f"{archive.name} has the hash {archive.hash!r}")


def _drawn(value: Dataset) -> None:
    assert value.generate is not None
    draw = resolve(value.generate)
    first, again = (list(itertools.islice(draw(2, (48, 64), 3), 2)) for _ in range(2))
    expect(len(first) == 2, f"{len(first)} samples, 2 were asked for")
    for (name, image, mask, _), (_, image2, mask2, _) in zip(first, again, strict=True):
        expect(image.dtype == mask.dtype == np.uint8, f"{name} is not uint8")
        expect(image.shape == (48, 64, 3), f"{name} has the shape {image.shape}")
        expect(mask.shape == (48, 64), f"the mask of {name} has the shape {mask.shape}")
        expect(int(mask.max()) < len(value.classes), f"{name} has unknown classes")
        same = np.array_equal(image, image2) and np.array_equal(mask, mask2)
        expect(same, f"{name} differs when drawn again with the same seed")
