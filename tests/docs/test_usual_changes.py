"""CONTRIBUTING's table of usual changes names files that are there, and few of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Fifteen usual")[2]
ROWS = [
    tuple(cell.strip() for cell in line.strip("| \n").split(" | "))
    for line in TABLE.splitlines()
    if line.startswith("| ") and "`" in line
]


def named(cell: str) -> list[Path]:
    return [ROOT / path for path in re.findall("`([^`]+)`", cell)]


def test_there_are_fifteen():
    assert len({row[0] for row in ROWS}) == 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_files_of_a_change_are_there_and_few(row):
    _, files, tests = row
    assert 1 <= len(named(files)) <= 3
    for path in [*named(files), *named(tests)]:
        assert path.exists() or (path.name == "NEW.py" and path.parent.is_dir()), path
