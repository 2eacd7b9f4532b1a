"""Contact sheets, overlays and maps."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.errors import SegkitError
from segkit.report.maps import heat, network_maps, over
from segkit.report.pictures import (
    EXTRA,
    MISSED,
    RIGHT,
    attention,
    choose,
    compare,
    mask_uri,
    photo_uri,
)
from segkit.report.samples import GAP, TILE, write_samples, write_sheet
from segkit.testing.runs import make_run


def test_a_sheet_has_a_row_per_picture_and_four_tiles(tmp_path):
    images = np.zeros((3, 16, 24, 3), np.uint8)
    truths = torch.zeros(3, 16, 24, dtype=torch.int64)
    chances = torch.full((3, 1, 16, 24), 0.7)
    file = write_samples(images, truths, chances, tmp_path / "deep" / "sheet.png")
    assert Image.open(file).size == (4 * (TILE + GAP), 3 * (TILE + GAP))
    assert [path.name for path in file.parent.iterdir()] == ["sheet.png"]


def test_at_most_so_many_rows(tmp_path):
    images, truths = np.zeros((9, 8, 8, 3), np.uint8), np.zeros((9, 8, 8), np.uint8)
    file = write_samples(images, truths, np.zeros((9, 3, 8, 8), np.float32), tmp_path / "a.png", 2)
    assert Image.open(file).size[1] == 2 * (TILE + GAP)


def test_an_empty_sheet_is_an_error(tmp_path):
    with pytest.raises(SegkitError, match="no pictures"):
        write_sheet([], tmp_path / "a.png")


def nearest(pixel):
    """Which of the three colours a tinted pixel is closest to in hue."""
    colours = {"right": RIGHT, "extra": EXTRA, "missed": MISSED}
    values = pixel.astype(float) - pixel.mean()
    return max(
        colours, key=lambda name: float(values @ (np.array(colours[name]) - np.mean(colours[name])))
    )


def test_right_extra_and_missed_have_their_colours():
    truth, mask = np.zeros((30, 60), np.uint8), np.zeros((30, 60), np.uint8)
    truth[:, :40] = 1
    mask[:, 20:] = 1
    drawn = compare(np.full((30, 60, 3), 128, np.uint8), truth, mask)
    assert nearest(drawn[15, 10]) == "missed"
    assert nearest(drawn[15, 30]) == "right"
    assert nearest(drawn[15, 50]) == "extra"
    assert len({tuple(pixel) for pixel in drawn[10:20, 5:15].reshape(-1, 3)}) == 2  # stripes


def test_a_wrong_class_is_both_missed_and_extra_never_right():
    truth, mask = np.full((20, 20), 1, np.uint8), np.full((20, 20), 2, np.uint8)
    drawn = compare(np.full((20, 20, 3), 128, np.uint8), truth, mask)
    assert {nearest(pixel) for pixel in drawn[2:-2, 2:-2].reshape(-1, 3)} <= {"missed", "extra"}


def test_worst_median_best_without_repetition():
    rows = [{"id": f"{i:02}", "dice": i / 20} for i in range(20)]
    rows.append({"id": "broken", "dice": float("nan")})
    chosen = choose(rows)
    assert [kind for kind, _ in chosen] == ["worst"] * 3 + ["median"] * 3 + ["best"] * 3
    assert [row["id"] for _, row in chosen] == [
        "00",
        "01",
        "02",
        "08",
        "09",
        "10",
        "17",
        "18",
        "19",
    ]
    assert len(choose(rows[:4])) == 4
    assert len({row["id"] for _, row in choose(rows[:7])}) == 7
    assert choose([]) == []


def test_pictures_become_small_data_uris():
    large = np.random.default_rng(0).integers(0, 255, (1000, 1500, 3), dtype=np.uint8)
    assert photo_uri(large).startswith("data:image/jpeg;base64,")
    assert len(photo_uri(large)) < 120_000
    assert mask_uri(np.zeros((600, 600), np.uint8)).startswith("data:image/png;base64,")


def test_maps_are_stretched_per_picture():
    class Network(torch.nn.Module):
        def prompts(self, image):
            return {"first": image[:, :1] * 5 + 3, "flat": torch.ones(len(image), 1, 4, 4)}

    inputs = torch.rand(2, 3, 8, 8)
    found = network_maps(Network(), "prompts", inputs)
    assert found["first"].shape == (2, 8, 8)
    assert found["first"].min() == 0
    assert found["first"].max() == pytest.approx(1)
    assert (found["flat"] == 0).all()
    drawn = over(np.zeros((32, 48, 3), np.uint8), found["first"][0])
    assert drawn.shape == (32, 48, 3)


def test_heat_goes_from_dark_to_bright():
    shades = heat(np.linspace(0, 1, 5)[None])[0].astype(int).sum(1)
    assert (np.diff(shades) > 0).all()


def test_a_network_with_maps_shows_them(runs, tmp_path):
    """VMPANet offers its prompts: worst, median and best case, each with the picture first."""
    card = json.loads((runs["wide"] / "data.json").read_text())
    run = make_run(tmp_path / "run", {"architecture": "vmpanet", "model": {}}, card)
    rows = [{"id": f"demo_{i:04}", "dice": i / 10} for i in range(5)]
    shown = attention(run, [(run.folds[0], rows)])
    assert [name for name, _ in shown] == ["demo_0000", "demo_0002", "demo_0004"]
    for _, panels in shown:
        titles = [title for title, _ in panels]
        assert titles[0] == "picture"
        assert len(titles) > 1
        assert all(uri.startswith("data:image/jpeg") for _, uri in panels)


def test_a_network_without_maps_shows_none(runs):
    from segkit.engine.runs import open_run

    run = open_run(runs["wide"])
    assert attention(run, [(run.folds[0], [{"id": "demo_0001", "dice": 0.5}])]) == []
