"""What the pages import is there: every line of Python in docs, README and CONTRIBUTING."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from segkit.api import CONTRACTS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
NAMED = re.compile(r"`(segkit(?:\.[a-z_0-9]+)+(?:\.[A-Z]\w*)?)(?:\([^`]*\))?`")
GROUPS = {f"segkit.{name}" for name in CONTRACTS}
FILES = re.compile(r"`(?:[a-z]+ )*((?:tests|benchmarks|src|plugins)/[\w/.-]+)")
YOURS = re.compile(r"NEW|segkit_mine")  # files that a contributor would write
OF_THE_BROWSER = {"segkit.archive"}  # JavaScript of the exported page


def imported(page):
    for block in BLOCK.findall(page.read_text("utf-8")):
        try:
            tree = ast.parse(block)
        except SyntaxError:  # a piece with `…` in it
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("segkit"):
                yield from ((node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((a.name, "") for a in node.names if a.name.startswith("segkit"))


def is_there(path):
    """Whether a dotted path is a module or an attribute."""
    pieces = path.split(".")
    for length in range(len(pieces), 0, -1):
        try:
            found = importlib.import_module(".".join(pieces[:length]))
        except ModuleNotFoundError:
            continue
        for name in pieces[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page):
    named = {f"{module}.{name}" if name else module for module, name in imported(page)}
    named |= set(NAMED.findall(page.read_text("utf-8"))) - GROUPS - OF_THE_BROWSER
    assert [path for path in sorted(named) if not is_there(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_are_there(page):
    named = FILES.findall(page.read_text("utf-8"))
    assert [file for file in named if not YOURS.search(file) and not (ROOT / file).exists()] == []
