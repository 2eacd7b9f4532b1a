"""The built-in pictures: exact masks that belong to their pictures, variety, and repeatability."""

import numpy as np
import pytest

from segkit import plugins
from segkit.api import resolve

OURS = [name for name in plugins.names("datasets") if name.startswith("demo")]


def draw(name, count, size=(96, 96), seed=0):
    return list(resolve(plugins.get("datasets", name).generate)(count, size, seed))


@pytest.mark.parametrize("name", OURS)
def test_any_size_and_every_number_alone(name):
    wide = draw(name, 1, (40, 120))
    assert wide[0][1].shape == (40, 120, 3)
    first, again = draw(name, 2)[0], draw(name, 1)[0]
    assert first[0] == again[0]
    assert np.array_equal(first[1], again[1])


@pytest.mark.parametrize("name", OURS)
def test_seeds_differ(name):
    assert not np.array_equal(draw(name, 1)[0][1], draw(name, 1, seed=1)[0][1])


@pytest.mark.parametrize("name", OURS)
def test_masks_are_binary_and_vary(name):
    samples = draw(name, 12)
    shares = [mask.mean() for _, _, mask, _ in samples]
    assert {int(v) for _, _, mask, _ in samples for v in np.unique(mask)} <= {0, 1}
    assert np.std(shares) > 0.005
    assert 0.01 < np.mean(shares) < 0.5


@pytest.mark.parametrize("name", OURS)
def test_foreground_looks_different_from_its_surroundings(name):
    seen = []
    for _, image, mask, _ in draw(name, 10, (128, 128)):
        if 0 < mask.mean() < 1:
            grey = image.astype(float).mean(2)
            seen.append(abs(grey[mask == 1].mean() - grey[mask == 0].mean()))
    assert np.median(seen) > 6


def test_the_demo_set_holds_the_hard_cases():
    samples = draw("demo", 150, (48, 48))
    empty = sum(mask.sum() == 0 for _, _, mask, _ in samples)
    facts = [fact for *_, fact in samples]
    assert 1 <= empty <= 20
    assert sum(f["parts"] > 1 for f in facts) >= 5
    assert sum(f["hairs"] > 0 for f in facts) >= 20
    assert sum(f["ruler"] for f in facts) >= 10
    assert sum(f["contrast"] < 0.5 for f in facts) >= 10


def test_nuclei_do_not_overlap_in_number():
    import cv2

    for _, _, mask, facts in draw("demo-nuclei", 4, (256, 256)):
        parts, _ = cv2.connectedComponents(mask)
        assert parts - 1 <= facts["nuclei"]
        assert parts - 1 >= 0.8 * facts["nuclei"]
