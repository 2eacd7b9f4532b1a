"""Datasets as data: the public sets' catalogue and the built-in synthetic sets."""

from __future__ import annotations

from segkit_datasets.builtin import DEMO, DEMO_NUCLEI, DEMO_POLYP, DEMO_ULTRASOUND, DEMO_VESSELS
from segkit_datasets.catalogue import BKAI, BUSI, CHASE, DSB2018, FIVES, PH2
from segkit_datasets.isic import ISIC2016, ISIC2017, ISIC2018

__all__ = [
    "BKAI",
    "BUSI",
    "CHASE",
    "DEMO",
    "DEMO_NUCLEI",
    "DEMO_POLYP",
    "DEMO_ULTRASOUND",
    "DEMO_VESSELS",
    "DSB2018",
    "FIVES",
    "ISIC2016",
    "ISIC2017",
    "ISIC2018",
    "PH2",
]
