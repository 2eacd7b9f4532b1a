"""Imports: anybody's folder of pictures and masks becomes a dataset.

Reads globs, CSV, COCO and LabelMe files; writes `raw/NAME/` with its `source.json`.
"""
