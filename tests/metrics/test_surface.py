"""Surface distances: medpy is the oracle, each engine by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from medpy.metric import binary
from scipy import ndimage

from segkit.errors import UsageError
from segkit.metrics import contour, distances, kernel, surface

Pairs = list[tuple[np.ndarray, np.ndarray]]
ENGINES = ["python", "device", pytest.param("native", marks=pytest.mark.skipif(
    bool(kernel.reason()), reason=f"native: {kernel.reason()}"))]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_bit_equal_to_medpy(engine: str, solid_pairs: Pairs) -> None:
    for one, other in solid_pairs:
        found = surface.all_distances(one, other, engine=engine)  # type: ignore[arg-type]
        for name in ("hd", "hd95", "assd"):
            assert found[name] == getattr(binary, name)(one, other), (name, one.shape)


@pytest.mark.parametrize("engine", ENGINES)
def test_nsd_against_an_independent_form(engine: str, solid_pairs: Pairs) -> None:
    for one, other in solid_pairs:
        edges = [mask ^ ndimage.binary_erosion(mask) for mask in (one, other)]
        maps = [ndimage.distance_transform_edt(~edge) for edge in edges]
        near = (maps[1][edges[0]] <= 2).sum() + (maps[0][edges[1]] <= 2).sum()
        expected = near / (edges[0].sum() + edges[1].sum())
        found = surface.nsd(one, other, engine=engine)  # type: ignore[arg-type]
        assert found == pytest.approx(expected, abs=1e-12)


def test_spacing_is_medpys(solid_pairs: Pairs) -> None:
    for one, other in solid_pairs[::5]:
        for spacing in ((0.5, 1.3), 2.0):
            found = surface.all_distances(one, other, spacing)
            for name in ("hd", "hd95", "assd"):
                expected = getattr(binary, name)(one, other, voxelspacing=spacing)
                assert found[name] == pytest.approx(expected, abs=1e-9)


def test_both_python_forms_agree(solid_pairs: Pairs) -> None:
    for one, other in solid_pairs[::3]:
        edges = contour.contour(one), contour.contour(other)
        for a, b in zip(contour._by_tree(*edges), contour._by_opencv(*edges), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("engine", ["auto", "python", "medpy", "device"])
def test_empty_masks(engine: str) -> None:
    empty, solid = np.zeros((30, 40), bool), np.ones((30, 40), bool)
    diagonal = math.hypot(30, 40)
    both = surface.all_distances(empty, empty, engine=engine)  # type: ignore[arg-type]
    assert both == {"hd": 0.0, "hd95": 0.0, "assd": 0.0, "nsd": 1.0}
    for one, other in ((empty, solid), (solid, empty)):
        found = surface.all_distances(one, other, engine=engine)  # type: ignore[arg-type]
        assert found == {"hd": diagonal, "hd95": diagonal, "assd": diagonal, "nsd": 0.0}
    assert surface.hd95(empty, solid, spacing=(2.0, 1.0)) == math.hypot(60, 40)


def test_by_hand() -> None:
    one, other = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    one[4, 1], other[4, 4] = True, True
    assert surface.all_distances(one, other) == {"hd": 3.0, "hd95": 3.0, "assd": 3.0, "nsd": 0.0}
    assert surface.nsd(one, other, tolerance=3.0) == 1.0


@pytest.mark.skipif(bool(kernel.reason()), reason=kernel.reason())
def test_far_apart_parts_in_the_native_kernel() -> None:
    """Beyond 255 pixels the byte cells saturate and another search takes over."""
    one, other = np.zeros((700, 900), bool), np.zeros((700, 900), bool)
    one[3:9, 4:30], other[650:690, 700:890] = True, True
    other[4, 20] = True
    found = surface.all_distances(one, other, engine="native")
    for name in ("hd", "hd95", "assd"):
        assert found[name] == getattr(binary, name)(one, other)


@pytest.mark.skipif(bool(kernel.reason()), reason=kernel.reason())
def test_a_batch_equals_its_pairs() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.random((2, 6, 31, 29)) < 0.2
    one[2] = False
    together = surface.batch_distances(one, other)
    for i in range(6):
        assert {n: float(v[i]) for n, v in together.items()} == surface.all_distances(
            one[i], other[i]
        )


def test_percentile_is_numpys() -> None:
    generator = np.random.default_rng(0)
    for many in (1, 2, 3, 7, 20, 21, 1000):
        values = generator.random(many)
        assert distances.percentile(values, 95.0) == np.percentile(values, 95)


def test_integer_masks_count_as_booleans() -> None:
    one = np.zeros((9, 9), np.uint8)
    one[2:5, 2:5] = 255
    assert surface.hd95(one, one > 0) == 0.0


def test_wrong_input_is_refused() -> None:
    mask = np.ones((4, 4), bool)
    with pytest.raises(UsageError, match="one mask"):
        surface.hd95(mask[None], mask[None])
    with pytest.raises(UsageError, match="differ in shape"):
        surface.hd95(mask, mask[:3])
    with pytest.raises(UsageError, match="spacing"):
        surface.hd95(mask, mask, spacing=(0.0, 1.0))


def test_the_public_name_needs_no_further_import() -> None:
    import subprocess
    import sys

    code = (
        "import sys, segkit, numpy as np; m = np.eye(9, dtype=bool);"
        "assert segkit.metrics.surface.hd95(m, m) == 0.0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
