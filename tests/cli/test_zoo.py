"""`segkit zoo` and its page."""

import json

from typer.testing import CliRunner

from segkit.cli import build_app

CLI = CliRunner()


def run(*words):
    return CLI.invoke(build_app(list(words)), list(words))


def test_the_table_counts_and_quotes():
    done = run("zoo", "egeunet", "unet", "--no-latency", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["egeunet"]["macs"] == 72_096_256  # zoo specification, 256x256
    assert rows["egeunet"]["published"]["gflops"] == 0.072
    scores = {score["data"]: score["dice"] for score in rows["egeunet"]["published_scores"]}
    assert round(100 * scores["isic2016"], 2) == 88.98  # QTSeg's Table I
    assert rows["unet"]["published"] is None
    assert rows["unet"]["latency_ms"] is None


def test_the_page_and_the_picture(tmp_path):
    page, plot = tmp_path / "zoo.md", tmp_path / "zoo.svg"
    words = ("zoo", "malunet", "unext_s", "--size", "64", "--plot", str(plot))
    assert run(*words, "--markdown", str(page)).exit_code == 0
    text = page.read_text()
    assert "segkit zoo --size 64" in text
    assert "| malunet | 2022 | 0.178 |" in text
    assert "the published 'GFLOPs' are multiply-adds" in text
    assert plot.read_text().startswith("<svg")


def test_every_published_name_of_a_network_is_found():
    from segkit.engine.zoo import published_rows

    assert {row.data for row in published_rows("qtseg")} >= {"isic2016", "busi", "bkai", "dsb2018"}
    assert {row.data for row in published_rows("unetpp")} >= {"isic2016", "isic2018", "ph2"}
    assert {row.data for row in published_rows("attunet")} >= {"isic2018", "ph2"}
