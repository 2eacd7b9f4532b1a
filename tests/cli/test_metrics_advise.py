"""`segkit metrics advise` as a person types it."""

from __future__ import annotations

import json

import pytest

from segkit.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(["metrics", "advise", *words])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_it_names_the_pair_the_facts_and_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = run(capsys, "demo-nuclei", "--size", "64")
    assert "pq" in text
    assert "Measured on" in text
    assert "next: segkit evaluate RUN --metrics" in text
    made = json.loads(run(capsys, "demo-nuclei", "--size", "64", "--no-instances", "--json"))
    metrics = [a["metric"] for a in made["structures"][0]["advice"]]
    assert metrics[:2] == ["dice_image", "nsd"]
