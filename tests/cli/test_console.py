"""What a program reads: tab-separated tables, JSON without NaN, plain progress lines."""

import json

import pytest

from segkit.cli import _console


def test_tables_are_tab_separated_when_piped(capsys):
    _console.table(["a", "b"], [[_console.styled("ok", "green"), 1.5], ["x", None]], title="T")
    assert capsys.readouterr().out == "# T\na\tb\nok\t1.5\nx\tNone\n"


def test_brackets_are_shown_as_they_are(capsys, monkeypatch):
    _console.table(["a"], [["pip install 'segkit[export]'"]])
    _console.say("masks [0-9].png :smile:")
    _console.warn("no [green]picture[/]")
    shown = capsys.readouterr()
    assert shown.out == "a\npip install 'segkit[export]'\nmasks [0-9].png :smile:\n"
    assert shown.err == "warning: no [green]picture[/]\n"
    monkeypatch.setattr(_console.sys.stdout, "isatty", lambda: True, raising=False)
    _console.table(["a"], [["pip install 'segkit[export]'"]])
    assert "'segkit[export]'" in capsys.readouterr().out


def test_json_has_no_nan_and_no_infinity(capsys):
    _console.emit_json({"a": float("nan"), "b": [float("inf"), 1.0], 3: (2,)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.0], "3": [2]}


def test_json_lines_are_single_lines(capsys):
    _console.emit_json_line({"a": [1, 2]})
    _console.emit_json_line({"b": "é"})
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"a": [1, 2]}, {"b": "é"}]


@pytest.mark.parametrize(
    ("done", "goal", "unit", "text"),
    [
        (12, 40, "pictures", "12/40 pictures"),
        (3, None, "", "3"),
        (2_500_000, 10_000_000, "B", "2.5/10.0 MB"),
    ],
)
def test_amounts(done, goal, unit, text):
    assert _console._amount(done, goal, unit) == text


def test_plain_progress_is_quiet_for_short_work_and_speaks_for_long(capsys, monkeypatch):
    with _console.progress("short", 2) as ticker:
        ticker.advance(2)
    assert capsys.readouterr().err == ""
    clock = iter([0.0, 6.0, 6.0, 7.0, 12.5, 13.0])
    monkeypatch.setattr(_console.time, "monotonic", lambda: next(clock))
    with _console.progress("long", 3, "nets") as ticker:
        ticker.advance()
        ticker.advance(2)
    assert capsys.readouterr().err == "long: 1/3 nets (6 s)\nlong: 3/3 nets (12 s)\n"
