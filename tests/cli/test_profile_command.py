"""`segkit profile` as a person and as a program calls it."""

from __future__ import annotations

import json

import pytest

from segkit.cli import run
from segkit.cli.sizes import parse_size, parse_sizes
from segkit.errors import UsageError

QUICK = ["--count-only", "--device", "cpu"]


def test_one_architecture_is_one_object(capsys):
    assert run(["profile", "unet", "--size", "64x96", *QUICK, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["input"] == [1, 3, 64, 96]
    assert document["flops"] == 2 * document["macs"]
    assert document["latency_ms"] is None


def test_several_are_a_list_and_settings_apply(capsys):
    words = ["profile", "unet", "unet", "--size", "32,64", "--set", "model.width=4", *QUICK]
    assert run([*words, "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    assert [document["input"][2] for document in documents] == [32, 64, 32, 64]
    assert {document["config"]["width"] for document in documents} == {4}


def test_the_tables_for_people(capsys):
    assert run(["profile", "qtseg", "--size", "64", "--tree", "--depth", "1", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "fvcore flops + activations" in out
    assert "as published" in out
    assert "encoder" in out
    assert run(["profile", "unet", "--size", "32,64", *QUICK]) == 0
    assert capsys.readouterr().out.count("unet") == 2


def test_a_plot_of_another_kind_is_refused_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr(
        "segkit.engine.costs.profile.profile_many", lambda *_: pytest.fail("measured")
    )
    assert run(["profile", "unet", "--plot", "p.gif"]) == 2
    monkeypatch.setattr("segkit.cli.showing.zoo._survey", lambda *_: pytest.fail("measured"))
    assert run(["zoo", "unet", "--plot", "p.gif"]) == 2


def test_the_plot_is_written(capsys, tmp_path):
    words = ["profile", "unet", "--size", "32,64", *QUICK, "--plot", str(tmp_path / "p.svg")]
    assert run(words) == 0
    assert (tmp_path / "p.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unnet"], "did you mean 'unet'"),
        (["unet", "--size", "big"], "write N or HxW"),
        (["unet", "--set", "optim.lr=1"], "settings of model. only"),
        (["unet", "--set", "model.depth=3"], "model.depth"),
    ],
)
def test_wrong_usage(capsys, words, message):
    assert run(["profile", *words, *QUICK]) == 2
    assert message in capsys.readouterr().err


def test_sizes():
    assert parse_sizes("256,192x320") == [(256, 256), (192, 320)]
    assert parse_sizes(None) == [None]
    with pytest.raises(UsageError):
        parse_size("0")
