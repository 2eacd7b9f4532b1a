"""Trained networks in the box: small run folders, each made by `segkit models pack`.

How they were trained, and what every candidate scored, is in docs/models.md.
"""

from segkit.api import TrainedModel

DERMOSCOPY = TrainedModel.described("segkit_models", "dermoscopy")
NUCLEI = TrainedModel.described("segkit_models", "nuclei")
VESSELS = TrainedModel.described("segkit_models", "vessels")
DERMOSCOPY_TINY = TrainedModel.described("segkit_models", "dermoscopy_tiny")
