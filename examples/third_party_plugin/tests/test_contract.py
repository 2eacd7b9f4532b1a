"""The same suite as `segkit plugins check`."""

from segkit.testing import assert_passes, check_architecture, check_dataset, check_loss


def test_the_architecture_keeps_the_contract():
    assert_passes(check_architecture("tinycnn"))


def test_the_loss_keeps_the_contract():
    assert_passes(check_loss("soft_iou"))


def test_the_dataset_keeps_the_contract():
    assert_passes(check_dataset("stripes"))
