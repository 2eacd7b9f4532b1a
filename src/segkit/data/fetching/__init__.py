"""Fetching: archives from their addresses or from this disk, checked and unpacked.

Reads catalogue entries; writes `raw/NAME/` with its `source.json`.
"""
