"""The profile document: exact costs, measured ones, the figures of the papers beside them."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
import torch

from segkit.engine.costs import plot
from segkit.engine.costs.meter import Meter
from segkit.engine.costs.profile import ProfileSettings, profile, profile_many
from segkit.errors import UsageError

KEYS = {
    "architecture",
    "config",
    "input",
    "params",
    "params_trainable",
    "macs",
    "scan_ops",
    "flops",
    "uncounted_ops",
    "paper_counter",
    "published",
    "latency_ms",
    "peak_memory_mb",
    "backend",
    "versions",
}
COUNT = {"measure": False}


def test_the_document_has_the_promised_keys():
    small = {"width": 4, "levels": 2}
    document = profile(
        "unet", ProfileSettings(size=(32, 48), batch=2, model=small, device="cpu", runs=3)
    )
    assert document.keys() >= KEYS
    assert document["input"] == [2, 3, 32, 48]
    assert document["config"] == {"in_channels": 3, "num_classes": 1, "up": "bilinear", **small}
    assert document["uncounted_ops"] == []
    assert set(document["latency_ms"]) >= {"median", "p95", "runs", "device"}
    assert 0 < document["latency_ms"]["median"] <= document["latency_ms"]["p95"]
    assert document["throughput"]["batch"] >= 1
    assert document["peak_memory_training_mb"] > document["peak_memory_mb"] > 0
    assert document["backend"] is None  # no scan in it
    assert document["published"] is None


@pytest.mark.parametrize(
    ("name", "size", "macs", "scan_ops", "flops", "paper"),
    [
        ("qtseg", (512, 512), 2_559_047_168, 0, 5_118_094_336, 2_595_588_736),
        ("dermomamba", (192, 256), 3_784_934_528, 147_456_000, 8_906_189_056, 965_897_216),
        ("vmpanet", (256, 256), 1_516_045_184, 237_502_464, 5_184_456_448, 1_160_096_176),
        ("eamnet", (224, 320), 17_014_346_304, 0, 34_028_692_608, None),
    ],
)
def test_figures_of_the_papers_networks(name, size, macs, scan_ops, flops, paper):
    document = profile(name, ProfileSettings(**COUNT))
    assert document["input"][2:] == list(size)
    assert (document["macs"], document["scan_ops"], document["flops"]) == (macs, scan_ops, flops)
    assert document["uncounted_ops"] == []
    counted = document["paper_counter"]
    assert (counted["value"] if counted else None) == paper


@pytest.mark.slow
def test_counting_does_not_depend_on_the_backend():
    from segkit import ops

    plain = profile("vmpanet", ProfileSettings(size=(64, 64), **COUNT))
    with ops.using_backend("reference"):
        forced = profile("vmpanet", ProfileSettings(size=(64, 64), **COUNT))
    assert forced["scan_ops"] == plain["scan_ops"] > 0
    assert forced["flops"] == plain["flops"]
    assert forced["backend"] == "reference"


def test_the_tree_sums_to_the_whole():
    document = profile("unet", ProfileSettings(size=(64, 64), tree=True, **COUNT))
    rows = {row["name"]: row for row in document["tree"]}
    top = [row for row in rows.values() if row["depth"] == 1]
    assert rows[""]["macs"] == sum(row["macs"] for row in top) == document["macs"]
    assert sum(row["params"] for row in top) == document["params"]


def test_a_network_of_one_size_refuses_another():
    settings = ProfileSettings(size=(256, 256), model={"variant": "faithful"}, **COUNT)
    with pytest.raises(UsageError, match="192x256 only"):
        profile("dermomamba", settings)


def test_many_are_profiled_at_all_sizes():
    documents = list(profile_many(["unet"], [(32, 32), (64, 64)], ProfileSettings(**COUNT)))
    assert [document["input"][2] for document in documents] == [32, 64]
    assert documents[1]["macs"] == 4 * documents[0]["macs"]


def test_memory_counts_what_is_alive_at_once():
    class Net(torch.nn.Module):
        def forward(self, image):
            big = image.repeat(1, 10, 1, 1)  # 10 pictures alive beside the input
            small = big[:, :3] + 1  # 1 more; big dies with the return
            return small.mean()

    meter = Meter(Net(), (1, 3, 100, 100), torch.device("cpu"))
    picture = 3 * 100 * 100 * 4 / 1e6
    assert meter.inference_memory() == pytest.approx(12 * picture, abs=0.01)


def test_pareto_keeps_what_nothing_beats():
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.5), (4.0, 1.0)]
    assert plot.pareto(points) == [(1.0, 5.0), (2.0, 3.0), (4.0, 1.0)]


def test_the_picture_is_svg_and_names_everything(tmp_path):
    documents = list(profile_many(["unet"], [(32, 32), (64, 64)], ProfileSettings(**COUNT)))
    path = plot.draw(documents, tmp_path / "costs.svg")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert text.count("<circle") == 2
    assert "64×64" in text
    with pytest.raises(UsageError, match="svg"):
        plot.draw(documents, tmp_path / "costs.bmp")


def test_labels_keep_clear_of_each_other():
    """Twenty networks of nearly the same cost: every label is read, sizes that agree stand once."""
    documents = [
        {
            "architecture": f"network_{number}",
            "flops": 1e9 * (1 + number / 10),
            "params": 1e6 * (1 + number % 4 / 10),
            "weights_mb": 4.0 + number,
            "latency_ms": None,
            "input": [1, 3, 64, 96],
        }
        for number in range(20)
    ]
    text = plot.svg(documents)
    assert text.count("64×96") == 1 + 20  # the head, and what a circle says when pointed at
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>network_\d+<', text)
    places = [(float(x), float(y)) for x, y in found]
    assert len(places) == 20
    for (x, y), (other_x, other_y) in combinations(places, 2):
        assert abs(x - other_x) > 60 or abs(y - other_y) > 12
    assert all(plot.LEFT < x < plot.WIDTH for x, _ in places)
