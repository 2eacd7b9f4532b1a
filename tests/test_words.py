"""Names that hold anything: on a terminal, in JSON, in tables for spreadsheets."""

import csv
import io
import json

import pytest

from segkit import paths, words


def test_what_steers_a_terminal_is_shown_not_done():
    assert words.shown("a\x1b[31mb\x07\r\u202ec") == "a\\x1b[31mb\\x07\\x0d\\u202ec"
    assert words.shown("two\nlines\tof Größe") == "two\nlines\tof Größe"


def test_bytes_that_are_no_utf_8_are_written_out():
    assert words.whole(b"\xff.png".decode("utf-8", "surrogateescape")) == "\\xff.png"


@pytest.mark.parametrize("text", ["=1+2", "+x", "-x", "@SUM(A1)", "'=x", "''@", "\t=1"])
def test_formulas_are_quoted_and_come_back(text):
    assert words.cell(text) == f"'{text}"
    assert words.uncell(words.cell(text)) == text


@pytest.mark.parametrize("value", ["-1.5", "+3", "a=b", "'quoted'", 3, None, -2.0, ""])
def test_numbers_and_plain_texts_stay(value):
    assert words.cell(value) == value
    if isinstance(value, str):
        assert words.uncell(value) == value


def test_json_brings_a_name_back(tmp_path):
    name = b"\xff=1.png".decode("utf-8", "surrogateescape")
    paths.write_json(tmp_path / "x.json", {"file": name})
    assert json.loads((tmp_path / "x.json").read_bytes().decode("utf-8")) == {"file": name}


def test_a_table_of_such_names_is_utf_8(tmp_path):
    name = b"=\xff.png".decode("utf-8", "surrogateescape")
    paths.write_text(tmp_path / "x.csv", words.csv_text(("file", "n"), [{"file": name, "n": 1}]))
    text = (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert list(csv.reader(io.StringIO(text))) == [["file", "n"], ["'=\\xff.png", "1"]]


def test_a_key_without_a_column_is_a_fault():
    with pytest.raises(ValueError, match="no column"):
        words.csv_text(("a",), [{"b": 1}])
