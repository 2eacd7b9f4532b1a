"""The report and the contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from segkit.data.preparing.check import check
from segkit.data.preparing.prepare import prepare
from segkit.data.sheet import comparing_sheet, contact_sheet, outlined
from segkit.data.store import open_prepared
from segkit.errors import UsageError


def test_report(busi: Callable[..., Path], make: SimpleNamespace) -> None:
    stem = "Dataset_BUSI_with_GT/benign/benign (9)"
    busi(5, 2, {f"{stem}.png": make.encode(make.texture(5))})
    report = check(open_prepared(prepare("busi", (32, 32))), verify=True)
    assert report["count"] == 7
    assert report["errors"] == [
        "benign (9): mask-missing (no mask for files/Dataset_BUSI/Dataset_BUSI/" + stem + ".png)"
    ]
    assert report["warnings"] == [
        "busi benign: 5 of 437 pairs",
        "busi malignant: 2 of 210 pairs",
    ]
    assert report["sizes"] == {"different": 1, "most_frequent": {"48x40": 7}}
    assert report["share"]["median"] == pytest.approx(320 / 1920, abs=1e-6)


def test_changed_arrays_are_noticed(busi: Callable[..., Path]) -> None:
    busi()
    prepared = open_prepared(prepare("busi", (32, 32)))
    data = bytearray((prepared.root / "masks.npy").read_bytes())
    data[-1] ^= 1
    (prepared.root / "masks.npy").write_bytes(data)
    assert check(prepared)["errors"] == []
    assert "masks.npy is not what the manifest says" in check(prepared, verify=True)["errors"][0]


def test_outline_is_on_the_border_of_the_mask() -> None:
    image, mask = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 1
    drawn = outlined(image, mask).any(axis=2)
    assert drawn[5, 5:15].all()
    assert not drawn[7:13, 7:13].any()
    assert not drawn[:4].any()


def test_contact_sheet(busi: Callable[..., Path], tmp_path: Path) -> None:
    busi()
    prepared = open_prepared(prepare("busi", (32, 32)))
    shown = contact_sheet(prepared, tmp_path / "s.png", count=7, columns=4, side=64)
    assert len(shown) == 7
    assert shown == contact_sheet(prepared, tmp_path / "t.png", count=7, columns=4, side=64)
    assert cv2.imread(str(tmp_path / "s.png")).shape == (2 * (64 + 18), 4 * 66, 3)
    seen: list[str] = []
    contact_sheet(
        prepared,
        tmp_path / "u.jpg",
        ids=["benign (2)"],
        change=lambda n, i, m: (seen.append(n), (i, m))[1],
    )
    assert seen == ["benign (2)"]
    with pytest.raises(UsageError, match=r"\.png or \.jpg"):
        contact_sheet(prepared, tmp_path / "s.gif")


def test_a_row_for_each_change_of_the_same_pictures(
    busi: Callable[..., Path], tmp_path: Path
) -> None:
    busi()
    prepared = open_prepared(prepare("busi", (32, 32)))
    seen: list[tuple[str, str]] = []
    changes = {
        label: lambda n, i, m, label=label: (seen.append((label, n)), (i, m))[1] for label in "ab"
    }
    shown = comparing_sheet(prepared, tmp_path / "s.png", changes, count=3, side=64)
    assert seen == [(label, name) for label in "ab" for name in shown]
    assert cv2.imread(str(tmp_path / "s.png")).shape == (2 * (64 + 18), 3 * 66, 3)
