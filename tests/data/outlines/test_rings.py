"""Rings and run lengths give the same mask back; figures are worked out by hand."""

import numpy as np
import pytest

from segkit.data.outlines import rings, runlengths
from segkit.errors import SegkitError


def masks():
    draw = np.random.default_rng(0)
    for _ in range(120):
        height, width = draw.integers(1, 14, 2)
        yield draw.random((height, width)) < draw.uniform(0.2, 0.95)


def test_random_masks_come_back_through_every_form():
    for mask in masks():
        holed, slit, runs = (np.zeros_like(mask) for _ in range(3))
        for part in rings.parts(mask):
            for polygon in part.polygons:
                rings.paint(holed, [polygon.outer, *polygon.holes], True)
                rings.paint(slit, [polygon.as_one_ring()], True)
            runs |= runlengths.from_coco(runlengths.to_coco(part, mask.shape), mask.shape)
        assert np.array_equal(holed, mask)
        assert np.array_equal(slit, mask)
        assert np.array_equal(runs, mask)


def test_a_frame_is_one_polygon_with_one_hole():
    mask = np.ones((4, 5), bool)
    mask[1:3, 2] = False
    [part] = rings.parts(mask)
    [polygon] = part.polygons
    assert sorted(map(tuple, polygon.outer)) == [(0, 0), (0, 4), (5, 0), (5, 4)]
    assert sorted(map(tuple, polygon.holes[0])) == [(2, 1), (2, 3), (3, 1), (3, 3)]
    assert (part.area, part.box) == (18, (0, 0, 5, 4))


def test_pixels_that_touch_at_a_corner_are_one_part_of_two_polygons():
    [part] = rings.parts(np.eye(2, dtype=bool))
    assert len(part.polygons) == 2


def test_no_ring_meets_itself():
    """A ring around a hole that touches the outside at a corner: two simple rings."""
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 1]], bool)
    for part in rings.parts(mask):
        for polygon in part.polygons:
            for ring in (polygon.outer, *polygon.holes):
                assert len({tuple(point) for point in ring}) == len(ring)


def test_pixels_are_inside_where_their_centres_are():
    triangle = np.array([(0, 0), (4, 0), (0, 4)])
    assert rings.fill([triangle], (4, 4)).sum(1).tolist() == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="no number"):
        rings.fill([np.array([(0, 0), (np.nan, 0), (0, 4)])], (4, 4))


def test_run_lengths_go_down_the_columns():
    """Rows 2 to 4 of columns 3 to 6 in a picture of 9 rows and 10 columns, counted by hand."""
    part = rings.MaskPart((), 3, 2, np.ones((3, 4), bool))
    value = runlengths.to_coco(part, (9, 10))
    assert runlengths.uncompress(value["counts"]) == [29, 3, 6, 3, 6, 3, 6, 3, 31]
    whole = rings.MaskPart((), 1, 0, np.ones((9, 2), bool))  # two whole columns are one run
    counts = runlengths.to_coco(whole, (9, 10))["counts"]
    assert runlengths.uncompress(counts) == [9, 18, 63]


def bits(*fields):
    text = "".join(format(value, f"0{width}b") for value, width in fields)
    return [int(text[k : k + 8].ljust(8, "0"), 2) for k in range(0, len(text), 8)]


def test_a_brush_of_label_studio():
    """1x2 pixels: four bytes 0, then four bytes 255, written as one run and single values."""
    data = bits((8, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (1, 1), (0, 2), (3, 3), (0, 8),
                (0, 1), (0, 2), (3, 3), (255, 8), (255, 8), (255, 8), (255, 8))  # fmt: skip
    assert runlengths.from_label_studio(data, (1, 2)).tolist() == [[False, True]]
    with pytest.raises(SegkitError, match="ends early"):
        runlengths.from_label_studio(data[:-3], (1, 2))
    with pytest.raises(SegkitError, match="does not fit"):
        runlengths.from_label_studio(data, (2, 2))
