"""`segkit doctor` and `segkit plugins`, as programs read them."""

import json

from typer.testing import CliRunner

from segkit.cli import build_app

CLI = CliRunner()


def run(*words):
    return CLI.invoke(build_app(list(words)), list(words))


def test_the_doctor_lists_every_kind_with_a_reason():
    done = run("doctor", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {"name", "status", "reason"} <= set(rows[0])
    kinds = {row["kind"] for row in rows}
    assert {"program", "package", "device", "backend", "exporter", "logger", "disk"} <= kinds
    assert all(row["reason"] for row in rows if row["status"] != "ok")
    backends = {row["name"]: row["status"] for row in rows if row["kind"] == "backend"}
    assert backends["torch"] == "ok"  # the one that needs nothing


def test_an_unwritable_home_is_broken(monkeypatch, tmp_path):
    import os

    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = run("doctor", "--json")
    assert done.exit_code == 1
    disk = next(row for row in json.loads(done.stdout) if row["kind"] == "disk")
    assert "set SEGKIT_HOME" in disk["reason"]


def test_plugins_list_and_show_as_json():
    rows = json.loads(run("plugins", "list", "--json").stdout)
    assert {"name", "status", "reason", "group"} <= set(rows[0])
    assert {row["group"] for row in rows} >= {"architectures", "losses", "datasets", "stages"}
    shown = json.loads(run("plugins", "show", "architectures/unet", "--json").stdout)
    assert shown["params"] == 1_812_017
    assert shown["config"]["width"] == 16


def test_a_name_of_two_groups_asks_which(monkeypatch):
    from segkit.errors import UsageError

    done = run("plugins", "show", "demo")
    assert isinstance(done.exception, UsageError)  # a dataset and a command
    assert "datasets/demo or stages/demo" in str(done.exception)
    assert run("plugins", "show", "datasets/demo").exit_code == 0


def test_check_fails_with_code_1(monkeypatch):
    from segkit import testing
    from segkit.testing import Outcome

    bad = [Outcome("unet", "a check", False, "it is broken")]
    monkeypatch.setattr(testing, "check_architecture", lambda name: iter(bad))
    done = run("plugins", "check", "unet")
    assert done.exit_code == 1
    assert "it is broken" in done.stdout
