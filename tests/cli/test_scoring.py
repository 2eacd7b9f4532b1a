"""evaluate, compare, leaderboard and audit from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from segkit.cli import run as segkit
from segkit.testing.runs import train_demo


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory):
    """Two scored runs on the same split; the second was selected on its test part."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(home))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        train_demo(home / "runs" / "one")
        train_demo(home / "runs" / "two", {"train": {"epochs": 1, "select_on": "test"}})
        yield home / "runs"
        torch.set_num_threads(threads)


def test_evaluate_prints_a_table(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "one"), "--protocol", "all", "--tta", "--tune"]) == 0
    shown = capsys.readouterr().out
    for part in ("selection: val", "dice_image", "dice_pooled", "hd95", "px", "Empty masks:"):
        assert part in shown
    for part in ("qtseg", "vmpanet", "Dice spans", "tta-flips", "Chosen on the validation part"):
        assert part in shown


def test_evaluate_json_is_one_document(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "two"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["selection"] == "test"
    assert set(made["metrics"]["dice_image"]) >= {"mean", "ci95", "sd"}


def test_names_are_looked_up_before_anything_is_scored(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "one"), "--data", "demo,demoo"]) == 2
    shown = capsys.readouterr()
    assert "unknown dataset 'demoo'" in shown.err
    assert not shown.out
    assert segkit(["evaluate", str(runs / "one"), "--data", "demo,", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "demo"
    assert segkit(["leaderboard", "demo", "--runs", "/nowhere"]) == 2
    assert segkit(["predict", str(runs / "one"), str(runs), "--out", "/proc/nowhere"]) == 1
    assert "internal fault" not in capsys.readouterr().err


def test_a_mode_of_augmentation_asks_for_it(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "one"), "--tta-mode", "d4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == "tta-d4"


def test_selection_on_test_is_said_on_the_console(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "two")]) == 0
    shown = capsys.readouterr()
    assert "selection: test" in shown.out
    assert "chosen on the reported part" in shown.err
    assert segkit(["compare", str(runs / "one"), str(runs / "two")]) == 0
    shown = capsys.readouterr()
    assert "selection: test" in shown.err
    assert segkit(["leaderboard", "demo", "--runs", str(runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("two")).endswith("test")


def test_costly_metrics_are_asked_for(runs: Path, capsys) -> None:
    assert segkit(["evaluate", str(runs / "one"), "--metrics", "cldice,objects", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert {"cldice", "object_f1", "object_map"} <= set(found)
    assert segkit(["evaluate", str(runs / "one"), "--json"]) == 0
    assert "cldice" not in json.loads(capsys.readouterr().out)["metrics"]


@pytest.mark.slow
def test_the_matrix_of_datasets(runs: Path, capsys) -> None:
    words = ["evaluate", str(runs / "one"), "--data", "demo,demo-vessels", "--json"]
    assert segkit(words) == 0
    one, other = json.loads(capsys.readouterr().out)
    assert [one["data"], other["data"]] == ["demo", "demo-vessels"]
    assert other["metrics"]["cldice"]["mean"] is not None  # vessels get clDice by themselves
    assert segkit(["leaderboard", "demo-vessels", "--runs", str(runs), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["zero_shot"] is True


def test_compare_json(runs: Path, capsys) -> None:
    words = ["compare", str(runs / "one"), str(runs / "two"), "--metric", "dice_pooled", "--json"]
    assert segkit(words) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["n"] == 12
    assert {row["name"] for row in made["runs"]} == {"one", "two"}
    (pair,) = made["pairs"]
    assert 0 < pair["p_holm"] <= 1
    best = made["runs"][0]
    assert best["mean"] >= made["runs"][1]["mean"]
    assert set(best["rank"]) == {"first", "mean", "low", "high"}


def test_compare_says_what_is_wrong(runs: Path, capsys) -> None:
    assert segkit(["compare", str(runs / "one")]) == 2
    assert "at least two" in capsys.readouterr().err
    both = [str(runs / "one"), str(runs / "two")]
    assert segkit(["compare", *both, "--metric", "dise_image"]) == 2
    assert "dice_image" in capsys.readouterr().err
    assert segkit(["compare", *both, "--data", "demo-polyp"]) == 1
    assert "segkit evaluate" in capsys.readouterr().err


def test_leaderboard_sets_published_rows_apart(tmp_path: Path, capsys) -> None:
    assert segkit(["leaderboard", "isic2016", "--runs", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Published, not measured here" in shown
    assert "MALUNet\t92.01\t85.20\tpooled\ttest\t" in shown
    assert segkit(["leaderboard", "isic2016", "--runs", str(tmp_path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["runs"] == []
    assert made["published"][0]["source"]


def test_audit(tmp_path: Path, capsys) -> None:
    table = tmp_path / "table.csv"
    table.write_text("method,Dice,IoU\nOurs,92.01,85.20\nTheirs,90.00,84.50\n")
    assert segkit(["audit", str(table)]) == 0
    assert "Ours is pooled, Theirs is per-image" in capsys.readouterr().out
    assert segkit(["audit", str(table), "--strict"]) == 1
    capsys.readouterr()
    assert segkit(["audit", str(table), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made) >= {"rows", "table"}
    assert set(made["rows"][0]) >= {"name", "columns", "verdict", "findings"}


def test_the_report_is_piped_into_the_audit(
    runs: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("md", "latex", "csv"):
        assert segkit(["report", str(runs / "one"), "--format", kind, "--no-cost"]) == 0
        table = capsys.readouterr().out
        monkeypatch.setattr("sys.stdin", io.StringIO(table))
        assert segkit(["audit", "--strict"]) == 0, kind
        shown = capsys.readouterr().out
        assert "Nothing found" in shown
        assert shown.count("one\t") == 2  # per image, and pooled
        monkeypatch.setattr("sys.stdin", io.StringIO(table))
        assert segkit(["audit", "-", "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
        assert {row["aggregation"] for row in rows} == {"per-image", "pooled"}


def test_audit_lists_and_explains(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    assert segkit(["audit", "--list", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert names == ["dermomamba", "eamnet", "qtseg", "vmpanet"]
    assert segkit(["audit", "qtsge"]) == 2
    assert "qtseg" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert segkit(["audit"]) == 2
    assert "--list" in capsys.readouterr().err
