"""Splits that others wrote, and ours as they come back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from split_sets import ids, prepared

from segkit.data.splitting.splits import Fold, load_split, make_split, save_split
from segkit.errors import SegkitError, UsageError


def test_split_files_come_back_as_they_were(tmp_path: Path) -> None:
    full = prepared("x", ids(30))
    made = make_split(full, folds=3, seed=7)
    path = save_split(made, tmp_path)
    assert path.name == f"folds-3-{made.hash[:8]}.json"
    assert load_split(path, full) == made
    again = make_split(full, split_file=path)
    assert again.folds == made.folds
    value = json.loads(path.read_text())
    assert value["counts"][0] == {"train": 18, "val": 2, "test": 10}


def test_split_files_of_others(tmp_path: Path) -> None:
    full = prepared("x", ids(6))
    (tmp_path / "s.csv").write_text(
        "id,part,fold\n" + "".join(f"p{k:04d},{p},{f}\n" for f in (0, 1) for k, p in
                                   enumerate(("train", "train", "train", "val", "test", "test")))
    )  # fmt: skip
    from_csv = make_split(full, split_file=tmp_path / "s.csv")
    assert len(from_csv.folds) == 2
    assert from_csv.folds[0].val == ("p0003",)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("p0000\np0001\n\n")
    (lists / "val.txt").write_text("p0002\n")
    from_folder = make_split(full, split_file=lists)
    assert from_folder.folds[0] == Fold(("p0000", "p0001"), ("p0002",), ())
    (tmp_path / "plain.json").write_text(json.dumps({"train": ["p0000"], "test": ["p0001"]}))
    assert make_split(full, split_file=tmp_path / "plain.json").folds[0].test == ("p0001",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "no split"),
        ("a.json", '{"train": "p0000"}', "list of ids"),
        ("a.json", '{"train": ["p0000"], "test": ["p0000"]}', "twice"),
        ("a.json", '{"train": ["p0000"], "test": ["ghost"]}', "not prepared"),
        ("a.json", '{"train": ["p0000"]}', "nothing to score"),
        ("a.csv", "id,where\np0000,train\n", "columns"),
        ("a.csv", "id,part\np0000,exam\n", "exam"),
        ("a.txt", "p0000", "not understood"),
    ],
)
def test_broken_split_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SegkitError, match=message):
        make_split(prepared("x", ids(4)), split_file=tmp_path / name)


def test_notes_of_tables_and_files_that_fit_only_in_part(tmp_path: Path) -> None:
    full = prepared("x", ids(12), twins=[("p0000", "p0001", "near")])
    table = tmp_path / "g.csv"
    table.write_text("id,group\np0002,a\np0003,a\nghost,b\n")
    made = make_split(full, split="7:3", group=str(table))
    assert any("1 ids of" in note and "ghost" in note for note in made.notes)
    table.write_text("id,group\nghost,b\n")
    with pytest.raises(UsageError, match="names no picture of the set"):
        make_split(full, split="7:3", group=str(table))
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"train": ["p0000"], "test": ["p0001"]}))
    made = make_split(full, split_file=file)
    assert "names 2 of 12 pictures" in made.notes[0]
    saved = save_split(made, tmp_path / "again.json")
    again = make_split(full, split_file=saved)
    assert sum("both sides of the split" in note for note in again.notes) == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b'{"folds": {"train": []}}', "'folds' must be a list"),
        ("a.json", b'{"folds": [7]}', "no split"),
        ("a.csv", b"id,part\n\xe4,train\n", "not UTF-8"),
        ("a.json", b'{"train": ["p0000"], "val": ["p0001"], "seed": [], "notes": 3}', ""),
    ],
)
def test_odd_split_files_have_one_line(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    if not message:
        assert make_split(prepared("x", ids(3)), split_file=tmp_path / name).seed is None
        return
    with pytest.raises(SegkitError, match=message):
        make_split(prepared("x", ids(3)), split_file=tmp_path / name)
