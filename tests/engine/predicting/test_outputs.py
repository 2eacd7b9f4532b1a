"""Pictures that a format cannot hold."""

import cv2
import numpy as np
import pytest

from segkit.engine.predicting import outputs
from segkit.errors import SegkitError


@pytest.mark.parametrize("sides", [(2, 70_000), (70_000, 2)], ids=["wide", "high"])
def test_an_overlay_longer_than_jpeg_allows_is_shrunk(sides, tmp_path):
    image, mask = np.full((*sides, 3), 200, np.uint8), np.zeros(sides, np.uint8)
    outputs.write_overlay(tmp_path / "a.jpg", image, mask)
    found = cv2.imread(str(tmp_path / "a.jpg"))
    assert sorted(found.shape[:2]) == [1, outputs.JPEG_SIDE]
    assert abs(int(found[0, 0, 0]) - 200) < 5


def test_what_no_file_holds_is_one_line(tmp_path):
    pixels = np.zeros((outputs.JPEG_SIDE + 100, 1), np.uint8)
    with pytest.raises(SegkitError, match=r"cannot be written: no \.jpg file holds 1x65600 pixels"):
        outputs._write(tmp_path / "a.jpg", ".jpg", pixels)
    assert list(tmp_path.iterdir()) == []
