"""Runs that were scored on different grids, and ties over fewer pictures than a run has."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from segkit.engine.evaluating.comparison import leaderboard
from segkit.engine.evaluating.grids import diagonals, grid_name, percent_of_diagonal
from segkit.report.reading import read_entries
from segkit.report.table import build_table
from segkit.report.text import as_text, as_values


@pytest.fixture
def two_sizes(runs, tmp_path: Path) -> list[Path]:
    """A run at 48 pixels and a worse one that says it was scored at 24: half the pixels."""
    first, other = tmp_path / "at48", tmp_path / "at24"
    shutil.copytree(runs["wide"], first)
    shutil.copytree(runs["narrow"], other)
    summary = json.loads((other / "summary.json").read_text())
    summary["size"] = [24, 24]
    summary["metrics"]["hd95"]["mean"] /= 2
    (other / "summary.json").write_text(json.dumps(summary))
    file = other / "fold0" / "cases.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    for row in rows:
        row["hd95"] = str(float(row["hd95"]) / 2)
    with open(file, "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [first, other]


def test_pixels_of_different_grids_are_never_ranked(two_sizes: list[Path]) -> None:
    table = build_table(read_entries(two_sizes, cost=False), [])
    keys = [column.key for column in table.columns]
    pixels, share, size = keys.index("hd95"), keys.index("hd95_percent"), keys.index("size")
    assert {row[size].text for row in table.rows} == {"48×48", "24×24"}
    assert not any(row[pixels].best or row[pixels].value is not None for row in table.rows)
    assert sum(row[share].best for row in table.rows) == 1
    for row in table.rows:
        run, side = (two_sizes[0], 48) if row[0].text == "at48" else (two_sizes[1], 24)
        pixel = read_entries([run], cost=False)[0].score("hd95").mean
        assert row[share].value == pytest.approx(100 * pixel / np.hypot(side, side), rel=1e-6)
    for kind in ("md", "latex", "csv"):
        text = as_text(two_sizes, kind, cost=False)
        assert "24×24" in text or r"24$\times$24" in text
        assert "pixels of HD95 are not comparable" in text
    alike = build_table(read_entries(two_sizes[:1], cost=False), [])
    assert "hd95_percent" not in [column.key for column in alike.columns]


def test_the_leaderboard_offers_per_cent_of_the_diagonal(two_sizes: list[Path], capsys) -> None:
    made = leaderboard("demo", two_sizes[0].parent)
    assert made["one_grid"] is False
    for row in made["runs"]:
        expected = 100 * row["metrics"]["hd95"]["mean"] / np.hypot(*row["size"])
        assert row["metrics"]["hd95_percent"]["mean"] == pytest.approx(expected, rel=1e-6)
    from segkit.cli import run

    assert run(["leaderboard", "demo", "--runs", str(two_sizes[0].parent)]) == 0
    shown = capsys.readouterr()
    assert "hd95 % of diagonal" in shown.out
    assert "compare hd95 in per cent" in shown.err


def test_the_diagonal_of_a_letterboxed_picture_leaves_its_padding_out() -> None:
    assert diagonals([50], [100], (64, 64, "letterbox"))[0] == pytest.approx(np.hypot(32, 64))
    assert diagonals([50], [100], (64, 64, "stretch"))[0] == pytest.approx(np.hypot(64, 64))
    assert grid_name((512, 256, "letterbox")) == "512×256 letterbox"
    cases = {"hd95": [8.0, 4.0], "height": [50, 50], "width": [100, 100]}
    found = percent_of_diagonal({"mean": 6.0, "ci95": [4.0, 8.0]}, cases, (64, 64, "letterbox"))
    expected = 100 * 6 / np.hypot(32, 64)
    assert found["mean"] == pytest.approx(expected)
    assert found["ci95"] == pytest.approx([expected * 4 / 6, expected * 8 / 6])


@pytest.fixture
def few_shared(runs, tmp_path: Path) -> list[Path]:
    """Two runs of which one was scored on fewer pictures."""
    shutil.copytree(runs["wide"], tmp_path / "all")
    shutil.copytree(runs["narrow"], tmp_path / "few")
    file = tmp_path / "few" / "fold0" / "cases.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:9]) + "\n")
    return [tmp_path / "all", tmp_path / "few"]


def test_every_format_says_on_how_many_pictures_a_test_stands(few_shared: list[Path]) -> None:
    for kind in ("md", "latex", "csv"):
        text = as_text(few_shared, kind, cost=False)
        assert "compared picture by picture on 8 shared test pictures" in text
        (row,) = [line for line in text.splitlines() if line.startswith(("| all", "all &", "all,"))]
        assert "(8)" in row
        assert "12" in row  # what the score itself stands on
    values = {row["run"]: row for row in as_values(few_shared, cost=False)}
    assert values["all"]["ties_n"] == 8
    assert values["all"]["n"] == 12
