"""A home of its own for each test, and small pictures."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from loopback import host
from PIL import Image

__all__ = ["host"]  # a fixture


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$SEGKIT_HOME in a temporary folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SEGKIT_HOME", str(folder))
    return folder


def encode(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """An array as the bytes of a picture file."""
    sink = io.BytesIO()
    Image.fromarray(array).save(sink, kind, **options)
    return sink.getvalue()


def texture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """A picture that resembles no other: smooth random colours with fine structure."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.integers(-30, 31, large.shape)
    return np.clip(large.astype(int) + noise, 0, 255).astype(np.uint8)


def blob(height: int = 40, width: int = 48, value: int = 255, at: int = 0) -> np.ndarray:
    """A rectangular lesion."""
    mask = np.zeros((height, width), np.uint8)
    mask[8 + at : 24 + at, 10:30] = value
    return mask


def pack(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def busi_members(benign: int, malignant: int) -> dict[str, bytes]:
    """A small BUSI: textures with one lesion each, in the official layout."""
    members = {}
    for cls, count in (("benign", benign), ("malignant", malignant)):
        for k in range(1, count + 1):
            stem = f"Dataset_BUSI_with_GT/{cls}/{cls} ({k})"
            members[f"{stem}.png"] = encode(texture(1000 * len(cls) + k))
            members[f"{stem}_mask.png"] = encode(blob(at=k % 8))
    return members


@pytest.fixture
def make() -> SimpleNamespace:
    """The builders above."""
    builders: dict[str, Callable[..., Any]] = {
        "encode": encode,
        "texture": texture,
        "blob": blob,
        "pack": pack,
        "busi_members": busi_members,
    }
    return SimpleNamespace(**builders)


@pytest.fixture
def busi(home: Path, tmp_path: Path) -> Callable[..., Path]:
    """Fetch a small BUSI from a local archive; returns the archive."""

    def fetch(
        benign: int = 6, malignant: int = 4, extra: Mapping[str, bytes] | None = None
    ) -> Path:
        from segkit.data import sources
        from segkit.data.fetching.download import Network
        from segkit.data.fetching.fetch import fetch_local

        members = busi_members(benign, malignant) | dict(extra or {})
        archive = pack(tmp_path / "Dataset_BUSI.zip", members)
        fetch_local(sources.dataset("busi"), [archive], [], Network())
        return archive

    return fetch
