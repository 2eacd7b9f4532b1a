"""What a recipe's `data.augment` names: a policy, or the file of a saved albumentations pipeline.

The file is what `albumentations.save(pipeline, "pipeline.json")` writes (JSON or YAML).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from segkit.data.augmenting import cpu
from segkit.data.augmenting.names import SUFFIXES
from segkit.data.augmenting.policies import policy
from segkit.data.augmenting.policy import AugmentationPlan, Policy
from segkit.errors import UsageError


class LoaderAugmentation(Protocol):
    """How a loader augments: on the host, and as a plan when the policy is `portable`."""

    portable: bool

    def apply(
        self, rng: Generator, image: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def draw(self, rng: Generator, height: int, width: int) -> AugmentationPlan: ...


class NamedPolicy:
    """A policy of ours: plans run on the host and on a device alike."""

    portable = True

    def __init__(self, policy: Policy):
        self.policy = policy

    def draw(self, rng: Generator, height: int, width: int) -> AugmentationPlan:
        return self.policy.draw(rng, height, width)

    def apply(
        self, rng: Generator, image: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return cpu.apply(self.draw(rng, *mask.shape), image, mask)


class SavedPipeline:
    """A saved albumentations pipeline: host only, one copy per thread, seeded per sample."""

    portable = False

    def __init__(self, path: Path):
        self.path = path
        self.local = threading.local()
        self._pipeline()

    def draw(self, rng: Generator, height: int, width: int) -> AugmentationPlan:
        raise TypeError("an albumentations pipeline has no plan")

    def apply(
        self, rng: Generator, image: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        pipeline = self._pipeline()
        pipeline.set_random_seed(int(rng.integers(2**31)))
        result = pipeline(image=image, mask=mask)
        if result["mask"].shape != mask.shape:
            raise UsageError(
                f"{self.path} changes the size of pictures", "leave out crops and pads"
            )
        return result["image"], result["mask"]

    def _pipeline(self) -> Any:
        if not hasattr(self.local, "pipeline"):
            self.local.pipeline = _load(self.path)
        return self.local.pipeline


def _load(path: Path) -> Any:
    import albumentations

    try:
        kind = "yaml" if path.suffix != ".json" else "json"
        return albumentations.load(path, data_format=kind)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) or type(error).__name__
        raise UsageError(
            f"{path} is not a saved albumentations pipeline",
            why,
            "Write it by albumentations.save.",
        ) from error


def augmentation(name: str) -> LoaderAugmentation:
    """The augmentation that a recipe names."""
    if name.endswith(SUFFIXES):
        return SavedPipeline(Path(name))
    return NamedPolicy(policy(name))
