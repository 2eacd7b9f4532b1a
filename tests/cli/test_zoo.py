"""`segkit zoo` and its page."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from segkit.cli import build_app
from segkit.engine.costs import zoo_export
from segkit.errors import SegkitError

CLI = CliRunner()


def run(*words):
    return CLI.invoke(build_app(list(words)), list(words))


def test_the_table_counts_and_quotes():
    done = run("zoo", "egeunet", "unet", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["egeunet"]["macs"] == 72_096_256  # zoo specification, 256x256
    assert rows["egeunet"]["published"]["gflops"] == 0.072
    scores = {score["data"]: score["dice"] for score in rows["egeunet"]["published_scores"]}
    assert round(100 * scores["isic2016"], 2) == 88.98  # QTSeg's Table I
    assert rows["unet"]["published"] is None
    assert rows["unet"]["published_scores"] == []  # 1.8 M; the tables' have 23.6 M and 31 M
    sizes = {score["params_m"] for score in rows["unet"]["published_elsewhere"]}
    assert sizes == {23.63, 31.04, None}
    shown = run("zoo", "unet", "qtseg").output
    assert "unet is 1.81 M here; published under its name: size not printed: fives 88.87" in shown


def test_every_published_score_stands_beside_the_network_that_earned_it():
    rows = json.loads(run("zoo", "--json").stdout)
    assert sum(len(row["published_scores"]) for row in rows) > 20
    for row in rows:
        own = row["params"] / 1e6
        sizes = {score["params_m"] for score in row["published_scores"]}
        assert all(abs(size - own) <= max(0.02 * own, 0.005) for size in sizes), row["name"]


def test_the_page_and_the_picture(tmp_path):
    page, plot = tmp_path / "zoo.md", tmp_path / "zoo.svg"
    words = ("zoo", "malunet", "unext_s", "--size", "64", "--plot", str(plot))
    assert run(*words, "--markdown", str(page)).exit_code == 0
    text = page.read_text()
    assert "segkit zoo --size 64" in text
    assert "| malunet | 2022 | 0.178 |" in text
    assert "the published 'GFLOPs' are multiply-adds" in text
    assert plot.read_text().startswith("<svg")


def test_stored_counts_answer_without_torch():
    code = (
        "import sys; from segkit.cli import build_app; from typer.testing import CliRunner;"
        "words = ['zoo', '--json']; done = CliRunner().invoke(build_app(words), words);"
        "assert done.exit_code == 0, done.output; assert 'torch' not in sys.modules;"
        "print(done.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {row["name"] for row in json.loads(done.stdout)}
    assert {"qtseg", "unet", "rwkv_unet_t"} <= names


def test_every_network_of_ours_is_stored_as_it_is_now():
    from segkit import build, plugins
    from segkit.engine.costs import stored

    values = [build.architecture(name) for name in plugins.names("architectures")]
    ours = [value for value in values if not build.missing(value) and value.params]
    absent = [value.name for value in ours if stored.counts(value, stored.SIZE) is None]
    assert absent == [], "run python benchmarks/store_counts.py"


@pytest.mark.parametrize("name", ["mkunet_t", "rwkv_unet_t", "vmpanet"])
def test_stored_counts_are_those_of_a_count(name):
    from segkit import build
    from segkit.engine.costs import stored, zoo

    value = build.architecture(name)
    assert zoo._count(value, stored.SIZE) == stored.counts(value, stored.SIZE)


def test_measuring_is_asked_for():
    done = run("zoo", "mkunet_t", "--size", "64", "--measure", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["latency_ms"]["runs"] >= 2


def test_every_published_name_of_a_network_is_found():
    from segkit.engine.costs.stored import published_rows

    assert {row.data for row in published_rows("qtseg")} >= {"isic2016", "busi", "bkai", "dsb2018"}
    assert {row.data for row in published_rows("unetpp")} >= {"isic2016", "isic2018", "ph2"}
    assert {row.data for row in published_rows("swin_unet")} >= {"isic2016", "fives"}
    assert {row.data for row in published_rows("attunet")} >= {"isic2018", "ph2"}


def test_a_kept_report_and_a_refusal_in_the_onnx_column(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    kept = {"passed": True, "opset": 20, "nodes": 347, "graph_bytes": 112_374, "bytes": 216_514}
    case = {"max_difference": 7e-5, "largest_logit": 4.6}
    report = kept | {"card": {"size": [64, 64]}, "bounds": {"logits": 1e-3}}
    report |= {"cases": [case, case | {"max_difference": 9e-5}]}
    (tmp_path / "mkunet_t.onnx.check.json").write_text(json.dumps(report))

    def refuse(subject, name, folder, options):
        assert options.tolerance is None
        assert (subject.card["architecture"], name, folder) == ("unext_s", "onnx", tmp_path)
        raise SegkitError("the exported file does not answer as the network does", "a logit is off")

    monkeypatch.setattr(zoo_export, "export", refuse)
    words = ("zoo", "mkunet_t", "unext_s", "--size", "64", "--no-latency", "--onnx", str(tmp_path))
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row["onnx"] for row in json.loads(done.stdout)}
    assert rows["mkunet_t"]["max_difference"] == 9e-5
    assert not rows["unext_s"]["passed"]
    page = tmp_path / "zoo.md"
    assert run(*words, "--markdown", str(page)).exit_code == 0
    lines = {line.split(" | ")[0]: line for line in page.read_text().splitlines()}
    assert lines["| mkunet_t"].endswith("| passes, 347 nodes, 112 kB |")
    assert lines["| unext_s"].endswith("answer as the network does: a logit is off |")
    assert "segkit zoo --size 64 --onnx exports/zoo" in page.read_text()


def test_norms_are_settled_before_the_gate():
    from segkit.engine.exporting.subject import find_subject

    def spread(subject):
        picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
        return subject.logits(subject.inputs(picture)).std()

    assert spread(find_subject("mkunet_t", size=(64, 64))) < 1e-3  # below the gate's bound
    assert spread(zoo_export.settled("mkunet_t")) > 1e-2


def test_the_bound_grows_with_the_networks_own_rounding():
    class Loud(torch.nn.Module):
        def forward(self, image):
            large = (image * 1e5).sum(1, keepdim=True)
            return large - large.detach().round()  # small logits that have lost their digits

    quiet = zoo_export.settled("mkunet_t")
    assert zoo_export.own_rounding(quiet)[0] < 5e-4
    assert zoo_export.options_for(quiet).tolerance is None
    loud = replace(quiet, network=Loud())
    own, largest = zoo_export.own_rounding(loud)
    assert own > 5e-4  # an ulp at 1e5 is 8e-3
    assert largest <= 0.5
    assert zoo_export.options_for(loud).tolerance == 2 * own
