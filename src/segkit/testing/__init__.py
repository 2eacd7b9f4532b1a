"""Contract checks for plugins: `segkit plugins check` runs them, and so can a third party's tests.

>>> from segkit.testing import check_architecture, check_loss, assert_passes
>>> assert_passes(check_architecture("unet"))                     # doctest: +SKIP
"""

from segkit.testing.architectures import check_architecture
from segkit.testing.checks import Outcome, assert_passes
from segkit.testing.datasets import check_dataset
from segkit.testing.losses import check_loss
from segkit.testing.models import check_model
from segkit.testing.ways import (
    check_augmentation,
    check_column,
    check_metric,
    check_optimizer,
    check_protocol,
    check_schedule,
)

__all__ = [
    "Outcome",
    "assert_passes",
    "check_architecture",
    "check_augmentation",
    "check_column",
    "check_dataset",
    "check_loss",
    "check_metric",
    "check_model",
    "check_optimizer",
    "check_protocol",
    "check_schedule",
]
