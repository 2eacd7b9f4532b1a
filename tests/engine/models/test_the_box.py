"""The trained networks that are in the box: whole, small, and listed as they are."""

from pathlib import Path

import pytest

from segkit import plugins
from segkit.engine import register

OURS = ("dermoscopy", "nuclei", "vessels")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", OURS)
def test_every_file_is_the_one_that_was_packed_and_the_card_tells_its_score(name):
    model = plugins.get("models", name)
    card = (register.folder(model) / "README.md").read_text("utf-8")  # checks every SHA-256
    assert f"{model.scores['dice_image']['mean']:.4f}" in card
    assert model.limits
    assert model.limits[0] in card


def test_the_page_of_the_trained_networks_tells_their_scores():
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    for name in OURS:
        dice = plugins.get("models", name).scores["dice_image"]["mean"]
        assert f"| `{name}` |" in page
        assert f"{dice:.3f} (" in page


def test_the_networks_together_stay_small():
    files = (ROOT / "plugins" / "segkit_models").rglob("*")
    assert sum(path.stat().st_size for path in files if path.is_file()) < 10 * 2**20
