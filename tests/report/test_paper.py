"""`segkit paper`: one folder, the same bytes each time, and nothing of a run without scores."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.dom import minidom

import pytest

from segkit.errors import UsageError
from segkit.report import paper
from segkit.report.checklist.source import Form
from segkit.report.paper import write_paper
from segkit.report.reading import read_entries
from segkit.report.text import as_text


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_folder_holds_what_the_index_names_and_is_the_same_twice(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    chosen = [runs["narrow"]]
    for name in ("one", "two"):
        index = write_paper(chosen, tmp_path / name, Form.claim2024, cost=False)
    found = contents(tmp_path / "one")
    assert found == contents(tmp_path / "two")
    assert set(found) == {"index.md"} | {
        line.split("](")[1].rstrip(")")
        for line in index.read_text().splitlines()
        if line.startswith("- [")
    }
    assert found["table.tex"].decode() == as_text(chosen, "latex", cost=False)
    assert b"Nothing found." in found["audit.md"]
    assert b"@misc{unet," in found["references.bib"]
    assert sum(name.startswith("pictures/narrow-worst") for name in found) == 4
    figures = [text for name, text in found.items() if name.endswith(".svg")]
    assert figures
    assert all(b"var(" not in text for text in figures)
    assert any(b"</tspan> narrow</text>" in text for text in figures)
    assert all(minidom.parseString(text).documentElement.tagName == "svg" for text in figures)
    assert {"checklists/narrow.md", "checklists/narrow.tex"} <= set(found)


def test_a_trained_network_brings_its_command_and_its_dataset_is_cited() -> None:
    entries = read_entries(["nuclei"], cost=False)
    assert paper._commands(entries) == "# nuclei\nsegkit train unet --recipe nuclei --seed 0\n"
    text = paper._references(entries)
    assert "author = {{Ronneberger, Fischer and Brox}}" in text
    assert "Caicedo" in text
    assert paper._bibtex("a", {"title": "A_B", "url": "x_y"}) == (
        "@misc{a,\n  title = {A\\_B},\n  url = {x_y},\n}\n"
    )


def test_a_run_without_scores_is_refused_and_nothing_is_written(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    bare = shutil.copytree(runs["wide"], tmp_path / "bare")
    (bare / "summary.json").unlink()
    with pytest.raises(UsageError, match="not scored"):
        write_paper([bare], tmp_path / "out", Form.claim2024, cost=False)
    assert not (tmp_path / "out").exists()
