"""Checklists: what the files of a run say, which file, and what stays a question."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from segkit.cli import main
from segkit.engine.runs import open_run
from segkit.report.checklist import answering, facts, writing
from segkit.report.checklist.source import Form

PARTS = {"claim2024": 44, "tripod-ai": 52, "metrics-reloaded": 17}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The small files of a trained network, as a run of one's own."""
    target = tmp_path / "mine"
    shutil.copytree(
        open_run("nuclei").path, target, ignore=shutil.ignore_patterns("*.onnx", "*.s*")
    )
    return target


def answers(run: Path | str, form: Form = Form.claim2024) -> dict[str, answering.Answer]:
    return {one.item.number: one for one in answering.answer(open_run(run), form)}


@pytest.mark.parametrize("form", list(Form))
def test_every_row_of_a_form_is_whole_and_asks_for_facts_that_there_are(form: Form) -> None:
    rows = answering.items(form)
    assert len(rows) == PARTS[form.value] == len({row.number for row in rows})
    known = facts.TELLERS.keys() | facts.OF_MASKS.keys()
    assert {key for row in rows for key in row.facts} <= known
    assert all(row.asked and row.open for row in rows)
    assert all(row.facts for row in rows if row.open == "-")


def test_main_items_are_numbered_as_in_the_sources() -> None:
    mains = {
        form: sorted({int(row.number.rstrip("abcdefg")) for row in answering.items(form)})
        for form in (Form.claim2024, Form.tripod_ai)
    }
    assert mains == {Form.claim2024: list(range(1, 45)), Form.tripod_ai: list(range(1, 28))}


def test_an_answer_names_its_file_and_follows_it(copy: Path) -> None:
    found = answers(copy)
    assert found["19"].found[0].source == "split.json"
    assert found["19"].state == "answered"
    assert found["39"].state == "partly"
    assert found["44"].state == found["4"].state == "question"
    recipe = json.loads((copy / "recipe.json").read_text())
    recipe["optim"]["lr"] = 0.0375
    (copy / "recipe.json").write_text(json.dumps(recipe))
    assert "learning rate 0.0375" in answers(copy)["25"].found[0].text


def test_a_run_without_scores_has_questions_and_external_scores_are_not_internal(
    copy: Path,
) -> None:
    assert answers(copy)["32"].state == "answered"
    summary = json.loads((copy / "summary.json").read_text())
    (copy / "summary.json").write_text(json.dumps({**summary, "data": "other"}))
    found = answers(copy)
    assert (found["32"].state, found["33"].state) == ("question", "answered")
    (copy / "summary.json").unlink()
    found = answers(copy)
    assert {found[number].state for number in ("28", "29", "33", "38")} == {"question"}


def test_facts_of_masks_are_measured_where_the_set_is_at_hand(runs: dict[str, Path]) -> None:
    found = answers(runs["wide"], Form.metrics_reloaded)
    assert found["8"].state == "answered"
    assert "length over width" in found["8"].found[0].text
    assert found["8"].found[0].source.endswith("masks.npy")


def test_markdown_latex_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    made = answering.answer(open_run("nuclei"), Form.claim2024)
    line = writing.count_line(made)
    assert sum(answering.count(made).values()) == 44
    for layout in ("md", "latex", "json"):
        with pytest.raises(SystemExit) as left:
            main(["checklist", "nuclei", "--format", layout])
        assert left.value.code == 0
        text = capsys.readouterr().out
        if layout == "json":
            assert json.loads(text)["count"] == answering.count(made)
        else:
            assert text.rstrip().endswith(line)
            assert text.count("split.json") == 2
    assert r"p{7cm}" in writing.as_text(made, Form.claim2024, "nuclei", latex=True)


def test_a_damaged_file_is_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "split.json").write_text("[]")
    with pytest.raises(SystemExit) as left:
        main(["checklist", str(copy), "--out", str(copy / "x.md")])
    assert left.value.code not in (0, None)
    said = capsys.readouterr().err
    assert "split.json" in said
    assert "internal" not in said


def test_the_forms_are_tables_of_five_columns() -> None:
    folder = Path(answering.__file__).parent / "forms"
    for file in folder.glob("*.csv"):
        assert {len(row) for row in csv.reader(file.open(encoding="utf-8"))} == {5}
