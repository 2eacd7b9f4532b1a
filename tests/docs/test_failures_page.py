"""docs/failures.md quotes what the code says, not what it once said."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failures.md"


def quoted() -> list[str]:
    """Every text that the page calls ours: the code spans of a first cell after "segkit:"."""
    found: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cell = line.removeprefix("| ").split(" | ")[0]
        if cell.startswith("segkit: "):
            found += [text for text in re.findall("`([^`]+)`", cell) if not text.startswith("--")]
    return found


@cache
def said() -> list[list[str]]:
    """The literal pieces of every text in the sources; an f-string has several."""
    found = []
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            values = node.values if isinstance(node, ast.JoinedStr) else [node]
            pieces = [v.value if isinstance(v, ast.Constant) else "" for v in values]
            found.append([piece for piece in pieces if isinstance(piece, str)])
    return [pieces for pieces in found if any(pieces)]


def spoken(text: str) -> bool:
    """Whether one text of the code holds all that stands between the dots, or fills up to it."""
    wanted = [piece.strip() for piece in text.split("…") if piece.strip()]
    return any(
        all(any(piece in part for part in pieces) for piece in wanted) or _fills(pieces, text)
        for pieces in said()
    )


def _fills(pieces: list[str], text: str) -> bool:
    """Whether an f-string becomes the text: its own words must be most of a line, not a blank."""
    if sum(map(len, pieces)) < 12:
        return False
    pattern = ".+".join(re.escape(piece) if piece else "" for piece in pieces)
    return re.fullmatch(pattern.replace(".+.+", ".+"), text) is not None


@pytest.mark.parametrize("text", quoted())
def test_the_code_says_it(text: str):
    assert spoken(text), f"no line of the sources says {text!r}"


def test_there_is_something_to_check_and_nothing_invented_passes():
    assert len(quoted()) >= 8
    assert not spoken("the recipe differs from the run's")
    assert not spoken("… is not quite finite")
