"""Preparing: raw pictures become packed arrays of one size.

Reads `raw/NAME/`; writes `prepared/NAME/VARIANT/` with `images.npy`, `masks.npy`, `manifest.json`.
"""
