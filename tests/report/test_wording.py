"""The words of CLAIM 2024 in report and tables; names, options and figures stay."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from segkit.cli import run as segkit
from segkit.report import wording
from segkit.report.page import write_report
from segkit.report.text import as_text
from segkit.report.wording import in_words, page_in_words


@pytest.mark.parametrize(
    ("plain", "claim"),
    [
        ("Ground truth of test pictures", "Reference standard of pictures of the testing set"),
        ("Truth and prediction", "Reference standard and prediction"),
        ("chosen on the validation part", "chosen on the tuning set"),
        ("selection: val, test part!", "selection: tuning set, testing set!"),
        ("demo (zero-shot)", "demo (external testing)"),
        ("5-fold cross-validation", "5-fold cross-validation"),
        ("runs/truth/test part-2 --select-on test", "runs/truth/test part-2 --select-on test"),
        ("runs/validation/best.pt, truth-net", "runs/validation/best.pt, truth-net"),
    ],
)  # fmt: skip
def test_words(plain: str, claim: str) -> None:
    assert in_words(plain, "claim") == claim
    assert in_words(plain, "plain") == plain


def test_markup_scripts_and_commands_stay() -> None:
    page = '<p id="truth">the truth</p><script>var truth = 1</script><pre>truth</pre>'
    made = page_in_words(page, "claim")
    assert made == page.replace("the truth", "the reference standard")


def test_internal_and_external() -> None:
    assert wording.testing("isic2017", "isic2017") == "internal testing"
    assert wording.testing("ph2", "isic2017") == "external testing"


def _read(page: str) -> str:
    """What a person reads of a page."""
    bare = re.sub(r"<(script|style|pre)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", bare))


def test_the_report_in_every_format(runs: dict[str, Path], tmp_path: Path) -> None:
    folders = list(runs.values())
    for kind in ("md", "latex", "csv"):
        made = as_text(folders, kind, cost=False, words="claim")
        assert "Internal testing" in made
        assert "testing set!" in made
        assert "tuning set" in made
        assert not re.search(r"validation|test part|test pictures|\btruth\b", made)
    page = _read(write_report(folders, tmp_path / "c.html", cost=False, words="claim").read_text())
    assert "reference standard" in page
    assert not re.search(r"\b(?:truth|validation part|test part|test pictures)\b", page)
    plain = _read(write_report(folders, tmp_path / "p.html", cost=False).read_text())
    assert "reference standard" not in plain


def test_tables_on_the_console(runs: dict[str, Path], capsys) -> None:
    assert segkit(["evaluate", str(runs["wide"]), "--words", "claim"]) == 0
    shown = capsys.readouterr()
    assert "internal testing, selection: tuning set" in shown.out
    assert "truth" not in shown.out
    words = ["compare", str(runs["wide"]), str(runs["peeked"]), "--words", "claim"]
    assert segkit(words) == 0
    assert "selection: testing set" in capsys.readouterr().err
    assert segkit(["evaluate", str(runs["wide"])]) == 0  # nothing of it stays
    assert "selection: val" in capsys.readouterr().out
    assert segkit(["evaluate", str(runs["wide"]), "--words", "klaim"]) == 2
    assert "plain, claim" in capsys.readouterr().err
