"""`segkit report` and `segkit view` from the command line."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
import torch

from segkit.cli import run as segkit
from segkit.testing.runs import train_demo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(folder / "home"))
        yield train_demo(folder / "tiny", {"train": {"epochs": 1}}, pictures=12)


def test_a_single_run_gets_its_page_inside(run, capsys):
    assert segkit(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert (run / "report.html").read_text().startswith("<!doctype html>")


def test_the_page_goes_where_it_is_told(run, tmp_path, capsys):
    assert segkit(["report", str(run), "--out", str(tmp_path / "a.html"), "--no-cost"]) == 0
    page = (tmp_path / "a.html").read_text()
    assert "GFLOPs</button>" not in page


@pytest.mark.parametrize(
    ("words", "mark"), [(["--format", "md"], "| Run |"), (["--latex"], r"\toprule")]
)
def test_tables_go_to_stdout_or_a_file(run, tmp_path, capsys, words, mark):
    assert segkit(["report", str(run), *words]) == 0
    shown = capsys.readouterr().out
    assert mark in shown
    assert segkit(["report", str(run), *words, "--out", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    assert file.read_text() == shown


def test_json_gives_scores_with_intervals(run, capsys):
    assert segkit(["report", str(run.parent), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["architecture"] == "unet"
    assert len(row["dice_image"]["ci95"]) == 2


@pytest.mark.parametrize("command", ["report", "view"])
def test_what_is_no_run_is_one_line(tmp_path, capsys, command):
    assert segkit([command, str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "is not a run" in said
    assert "Traceback" not in said


def test_a_table_is_not_written_into_a_page(run, tmp_path, capsys):
    assert segkit(["report", str(run), "--format", "md", "--out", str(tmp_path / "a.html")]) == 2
    assert "the format is md" in capsys.readouterr().err


@pytest.mark.network
def test_view_serves_until_it_is_stopped(run):
    words = [sys.executable, "-m", "segkit", "view", str(run), "--no-open", "--device", "cpu"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as process:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        with urllib.request.urlopen(f"{address}cases.json", timeout=20) as answer:
            assert len(json.load(answer)["cases"]) == 6
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address[:-5] + "xxxx/", timeout=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert "stopped" in process.stderr.read()
