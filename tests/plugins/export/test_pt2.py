"""torch.export programs: any size, and they say what they need."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from segkit.engine.exporting.export import export


def test_a_convolutional_network_needs_nothing_of_ours(subject, tmp_path):
    report = export(subject, "pt2", tmp_path)
    assert report["needs"] == []
    extra = {"segkit.json": ""}
    program = torch.export.load(tmp_path / "unet.pt2", extra_files=extra)
    card = json.loads(extra["segkit.json"])
    assert card["size"] == [64, 64]
    assert {"aten::conv2d"} <= set(card["operators"])
    image = torch.rand(3, 3, 33, 97)
    with torch.inference_mode():
        assert torch.equal(program.module()(image), subject.network(image))


def test_a_scanning_network_says_that_it_needs_segkit(subject, scanner, tmp_path):
    report = export(replace(subject, network=scanner().eval()), "pt2", tmp_path)
    assert report["needs"] == ["segkit"]
    assert max(case["max_difference"] for case in report["cases"]) < 1e-4
