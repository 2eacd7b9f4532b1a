"""Policies: draws that repeat, geometry by hand, one plan on two executions, labels that stay."""

import hashlib

import cv2
import numpy as np
import pytest
import torch

from segkit.data.augmenting import cpu, device
from segkit.data.augmenting.names import NAMES
from segkit.data.augmenting.operations import (
    Blur,
    ColourJitter,
    Contrast,
    CropResize,
    Elastic,
    FlipX,
    FlipY,
    Noise,
    PiecewiseAffine,
    QuarterTurn,
    Rotate,
    Scale,
    Shear,
    Shift,
)
from segkit.data.augmenting.pipeline import augmentation
from segkit.data.augmenting.policies import POLICIES, policy
from segkit.data.augmenting.policy import AugmentationPlan, Policy, generator
from segkit.errors import UsageError


def smooth_picture(height=64, width=64, seed=0):
    """A picture without hard edges: interpolation differences stay small."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (5, 5, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def blob(height=64, width=64):
    y, x = np.mgrid[:height, :width]
    inner = ((x - 0.4 * width) / 12) ** 2 + ((y - 0.55 * height) / 9) ** 2 < 1
    outer = ((x - 0.4 * width) / 20) ** 2 + ((y - 0.55 * height) / 16) ** 2 < 1
    return (inner.astype(np.uint8) + outer).astype(np.uint8)  # classes 0, 1, 2


def drawn(op, seed=0, height=64, width=64):
    return Policy("test", (op,)).draw(generator(seed, 0, "x"), height, width)


def on_cpu(plan, image, mask):
    return cpu.apply(plan, image, mask)


def on_device(plan, image, mask):
    images, masks = torch.from_numpy(image.copy())[None], torch.from_numpy(mask.copy())[None]
    images, masks = device.apply([plan], images, masks)
    return images[0].numpy(), masks[0].numpy()


BOTH = pytest.mark.parametrize("execute", [on_cpu, on_device])


# --- draws ---


def test_the_light_list_of_names_is_complete():
    assert list(NAMES) == list(POLICIES)


@pytest.mark.parametrize("name", NAMES)
def test_draws_repeat_and_change_with_seed_epoch_and_sample(name):
    def state(seed, epoch, key):
        plan = policy(name).draw(generator(seed, epoch, key), 64, 64)
        warp = b"" if plan.warp is None else plan.warp.tobytes()
        text = f"{plan.matrix.tolist()}{plan.steps}{plan.holes}{plan.seed}".encode()
        return hashlib.sha256(text + warp).hexdigest()

    assert state(1, 2, "a") == state(1, 2, "a")
    assert len({state(1, 2, "a"), state(2, 2, "a"), state(1, 3, "a"), state(1, 2, "b")}) == 4


def test_the_numbers_of_a_sample_do_not_depend_on_its_neighbours():
    first = generator(3, 1, "lesion").random(4)
    generator(3, 1, "other").random(100)
    np.testing.assert_array_equal(first, generator(3, 1, "lesion").random(4))


def test_qtseg_picks_up_to_four_distinct_operations():
    counts, still = [], 0
    for i in range(400):
        rng = generator(0, 0, str(i))
        counts.append(len(policy("qtseg")._chosen(rng)))
        still += policy("qtseg").draw(generator(0, 0, str(i)), 64, 64).still
    assert set(counts) == {0, 1, 2, 3, 4}
    assert np.bincount(counts).min() > 50
    assert still > 80  # more than a fifth has no geometry


def test_unknown_policy_names_the_nearest():
    with pytest.raises(UsageError, match="'flips'"):
        policy("flip")


# --- geometry by hand, on both executions ---


@BOTH
def test_flips_and_quarter_turns_move_pixels_exactly(execute):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    mask = np.random.default_rng(1).integers(0, 3, (8, 8)).astype(np.uint8)
    flipped, flipped_mask = execute(drawn(FlipX(p=1), 0, 8, 8), image, mask)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_array_equal(flipped_mask, mask[:, ::-1])
    np.testing.assert_array_equal(execute(drawn(FlipY(p=1), 0, 8, 8), image, mask)[0], image[::-1])
    seen = set()
    for seed in range(12):
        turned, turned_mask = execute(drawn(QuarterTurn(), seed, 8, 8), image, mask)
        fitting = [k for k in range(4) if np.array_equal(turned, np.rot90(image, k))]
        assert len(fitting) == 1
        np.testing.assert_array_equal(turned_mask, np.rot90(mask, fitting[0]))
        seen.add(fitting[0])
    assert seen == {0, 1, 2, 3}


@BOTH
def test_shift_brings_zeros_in(execute):
    plan = AugmentationPlan(8, 8)
    plan.move(np.array([[1, 0, -2], [0, 1, 1], [0, 0, 1.0]]))  # two to the right, one up
    image = np.full((8, 8, 3), 9, np.uint8)
    mask = np.ones((8, 8), np.uint8)
    moved, moved_mask = execute(plan, image, mask)
    expected = np.zeros((8, 8), np.uint8)
    expected[:7, 2:] = 1
    np.testing.assert_array_equal(moved_mask, expected)
    np.testing.assert_array_equal(moved[..., 0], 9 * expected)


@BOTH
def test_a_rotation_turns_about_the_middle(execute):
    plan = drawn(Rotate((30, 30), p=1))
    mask = np.zeros((64, 64), np.uint8)
    mask[31:33, 31:33] = 1
    mask[10, 32] = 2
    _, turned = execute(plan, np.zeros((64, 64, 3), np.uint8), mask)
    assert turned[31:33, 31:33].all()
    far = np.argwhere(turned == 2)
    distance = np.hypot(*(far.mean(0) - 31.5))
    assert distance == pytest.approx(np.hypot(21.5, 0.5), abs=1.0)


def test_crop_resize_maps_corners_to_the_crop():
    plan = drawn(CropResize((0.25, 0.25), (1, 1), p=1))
    left_top = plan.matrix @ (-0.5, -0.5, 1)
    right_bottom = plan.matrix @ (63.5, 63.5, 1)
    np.testing.assert_allclose(right_bottom[:2] - left_top[:2], (32, 32))
    assert (left_top[:2] >= -0.5).all()


def test_qtseg_shear_uses_one_angle_for_both_axes():
    plan = drawn(Shear((16, 16), p=1))
    slope = np.tan(np.radians(16))
    np.testing.assert_allclose(np.linalg.inv(plan.matrix)[:2, :2], [[1, slope], [slope, 1]])


def test_piecewise_nodes_stay_inside():
    for seed in range(30):
        warp = drawn(PiecewiseAffine(sigma=(0.5, 0.5), p=1), seed).warp
        x = np.linspace(0, 63, warp.shape[1])[None] + warp[..., 0]
        assert x.min() >= -1e-9
        assert x.max() <= 63 + 1e-9


# --- the two executions agree ---

OPS = [
    Rotate(p=1),
    Scale((0.5, 2), apart=True, p=1),
    Shear(p=1),
    Shift(p=1),
    CropResize(p=1),
    PiecewiseAffine(p=1),
    Elastic(p=1),
    Contrast((0.5, 1.5), per_channel=1, p=1),
    ColourJitter(p=1),
    Blur((0.6, 1.5), p=1),
]


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_cpu_and_device_agree(op):
    image, mask = smooth_picture(), blob()
    for seed in range(5):
        plan = drawn(op, seed)
        ours, our_mask = on_cpu(plan, image, mask)
        theirs, their_mask = on_device(plan, image, mask)
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        assert np.mean(difference) < 1.0
        assert np.mean(difference > 6) < 0.01  # OpenCV places samples on 1/32 of a pixel
        assert np.mean(our_mask != their_mask) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_samples(name):
    """The device treats each picture of a batch as it would alone."""
    keys = "abcde"
    images = np.stack([smooth_picture(48, 64, i) for i in range(5)])
    masks = np.stack([blob(48, 64)] * 5)
    plans = [policy(name).draw(generator(0, 0, key), 48, 64) for key in keys]
    together, together_masks = device.apply(
        plans, torch.from_numpy(images), torch.from_numpy(masks)
    )
    for i, plan in enumerate(plans):
        alone, alone_mask = on_device(plan, images[i], masks[i])
        np.testing.assert_array_equal(together_masks[i].numpy(), alone_mask)
        assert np.abs(together[i].numpy().astype(int) - alone).max() <= 1


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_labels_stay_in_their_set_and_the_input_is_untouched(execute, name):
    image, mask = smooth_picture(), 3 * blob()  # a mean of two labels is no label
    kept = image.copy(), mask.copy()
    for seed in range(10):
        plan = policy(name).draw(generator(seed, 0, "x"), 64, 64)
        augmented, labels = execute(plan, image, mask)
        assert augmented.shape == image.shape
        assert augmented.dtype == labels.dtype == np.uint8
        assert set(np.unique(labels)) <= {0, 3, 6}
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(mask, kept[1])


@BOTH
def test_image_and_mask_move_together(execute):
    """A picture that shows its own mask still does after any geometry."""
    mask = (blob() > 0).astype(np.uint8)
    image = np.repeat(mask[..., None] * 255, 3, -1).astype(np.uint8)
    for seed in range(10):
        plan = policy("qtseg").draw(generator(seed, 0, "x"), 64, 64)
        plan.steps.clear()
        picture, labels = execute(plan, image, mask)
        inner = (picture[..., 0] > 127) != labels.astype(bool)
        assert inner.mean() < 0.02


# --- photometry by hand ---


@BOTH
def test_linear_contrast_is_about_127(execute):
    plan = AugmentationPlan(4, 4)
    plan.steps.append(("linear", (2.0, 0, 0, 0, 2.0, 0, 0, 0, 2.0, -127.0, -127.0, -127.0)))
    image = np.full((4, 4, 3), 137, np.uint8)
    image[0, 0] = 250
    changed, _ = execute(plan, image, np.zeros((4, 4), np.uint8))
    assert changed[1, 1].tolist() == [147] * 3
    assert changed[0, 0].tolist() == [255] * 3


@BOTH
def test_noise_is_shared_by_channels_and_has_its_sigma(execute):
    plan = drawn(Noise((10, 10), p=1), 3, 128, 128)
    image = np.full((128, 128, 3), 128, np.uint8)
    noisy, _ = execute(plan, image, np.zeros((128, 128), np.uint8))
    np.testing.assert_array_equal(noisy[..., 0], noisy[..., 2])
    assert (noisy[..., 0].astype(float) - 128).std() == pytest.approx(10, rel=0.05)


@BOTH
def test_holes_are_in_the_image_only(execute):
    plan = AugmentationPlan(8, 8)
    plan.holes.append((1, 2, 4, 5))
    image, mask = np.full((8, 8, 3), 7, np.uint8), np.ones((8, 8), np.uint8)
    cut, kept = execute(plan, image, mask)
    assert int((cut == 0).sum()) == 27
    assert kept.all()


# --- a user's own albumentations pipeline ---


@pytest.fixture
def saved(tmp_path):
    albumentations = pytest.importorskip("albumentations")
    path = tmp_path / "mine.json"
    steps = [albumentations.HorizontalFlip(p=0.5), albumentations.RandomBrightnessContrast(p=1)]
    albumentations.save(albumentations.Compose(steps), path, data_format="json")
    return path


def test_saved_pipelines_run_and_repeat(saved):
    mine = augmentation(str(saved))
    image, mask = smooth_picture(), blob()
    results = [mine.apply(generator(0, epoch, "x"), image, mask)[0] for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert not mine.portable


def test_a_file_that_is_no_pipeline_is_refused(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a saved albumentations pipeline"):
        augmentation(str(path))
