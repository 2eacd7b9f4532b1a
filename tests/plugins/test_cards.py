"""Recipes and reproduction cards: complete, naming things that exist."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pytest

from segkit import plugins
from segkit.build import architecture, resolve_recipe
from segkit.data.splitting.protocols import PROTOCOLS

ELSEWHERE = ("dermomamba", "vmpanet")  # these have tests of their own
NETWORKS = [a for a in plugins.names("architectures") if a not in ELSEWHERE]
CARDS = [(a, c) for a in NETWORKS for c in architecture(a).cards]


def read(arch: str, card: str) -> dict[str, Any]:
    package, _, file = architecture(arch).cards[card].partition(":")
    return tomllib.loads(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("arch", "card"), CARDS)
def test_card_names_what_exists(arch: str, card: str) -> None:
    content = read(arch, card)
    head, published = content["card"], content["published"]
    assert head["name"] == card
    assert head["paper"]
    assert head["row"]
    assert head["dataset"] in plugins.names("datasets")
    assert head["protocol"] in PROTOCOLS
    assert resolve_recipe(arch, head["recipe"]).architecture == arch
    assert 0 < head["tolerance_points"] <= 5
    assert all(isinstance(note, str) and note.endswith(".") for note in head["notes"])
    assert published["aggregation"] in ("image", "pooled", "unknown")
    assert published["selection"] in ("val", "test", "unknown")
    figures = {key: value for key, value in published.items() if isinstance(value, float | int)}
    assert figures
    assert all(0 <= value <= 100 for value in figures.values())


@pytest.mark.parametrize("arch", ["qtseg", "eamnet"])
def test_recipes_resolve_and_presets_name_them(arch: str) -> None:
    value = architecture(arch)
    for recipe in value.recipes:
        assert resolve_recipe(arch, recipe).architecture == arch
    assert set(value.presets.values()) <= set(value.recipes)
    assert set(value.presets) <= set(plugins.names("datasets"))


def test_figures_are_those_of_the_tables() -> None:
    rows = {
        ("qtseg", "qtseg-isic2016"): {"dice_image": 92.45, "iou_image": 86.92, "mae": 3.00},
        ("qtseg", "qtseg-busi"): {"dice_image": 81.82, "iou_image": 73.46, "mae": 3.08},
        ("qtseg", "qtseg-bkai"): {"dice_image": 92.71, "iou_image": 88.41, "mae": 0.50},
        ("qtseg", "qtseg-dsb2018"): {"dice_image": 91.56, "iou_image": 85.07, "mae": 1.94},
        ("qtseg", "qtseg-fives"): {"dice_image": 90.98, "iou_image": 84.26, "acc_image": 98.93},
        ("eamnet", "eamnet-isic2018"): {"dice_image": 90.71, "acc_image": 96.45},
        ("eamnet", "eamnet-ph2"): {"dice_image": 95.15, "acc_image": 96.99, "pre_image": 96.58},
    }
    for (arch, card), figures in rows.items():
        assert figures.items() <= read(arch, card)["published"].items()


def test_every_network_of_qtsegs_tables_that_can_be_built_has_a_card() -> None:
    without_code = {"SGAT-Net", "CBAM", "SK"}  # a file is missing; two are blocks, not networks
    elsewhere = {"MedSAM (TinyViT)"}  # a promptable foundation model, not in the zoo
    rows = {line.split(",")[0] for line in published_lines()} - without_code - elsewhere
    carded = {read(arch, card)["card"]["row"].split(", ")[1].casefold() for arch, card in CARDS}
    assert {row for row in rows if row.casefold() not in carded} == set()


def published_lines() -> list[str]:
    file = resources.files("segkit.metrics.auditing").joinpath("published", "qtseg.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "method"))]
