"""Datasets as data: the public sets' catalogue and the built-in synthetic sets."""

from __future__ import annotations

from segkit_datasets.builtin import DEMO, DEMO_NUCLEI, DEMO_POLYP, DEMO_ULTRASOUND, DEMO_VESSELS

__all__ = ["DEMO", "DEMO_NUCLEI", "DEMO_POLYP", "DEMO_ULTRASOUND", "DEMO_VESSELS"]
