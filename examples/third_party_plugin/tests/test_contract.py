"""The same suite as `segkit plugins check`."""

from segkit.testing import (
    assert_passes,
    check_architecture,
    check_augmentation,
    check_column,
    check_dataset,
    check_loss,
    check_metric,
    check_model,
    check_optimizer,
    check_protocol,
    check_schedule,
)


def test_the_architecture_keeps_the_contract():
    assert_passes(check_architecture("tinycnn"))


def test_the_loss_keeps_the_contract():
    assert_passes(check_loss("soft_iou"))


def test_the_dataset_keeps_the_contract():
    assert_passes(check_dataset("stripes"))


def test_the_trained_network_keeps_the_contract():
    assert_passes(check_model("bars"))


def test_the_ways_of_training_and_scoring_keep_their_contracts():
    assert_passes(check_metric("centre_shift"))
    assert_passes(check_optimizer("rmsprop"))
    assert_passes(check_schedule("halving"))
    assert_passes(check_augmentation("mirror"))
    assert_passes(check_protocol("tiny-halves"))
    assert_passes(check_column("epochs"))
