"""Splitting: which picture trains, selects or tests, by rule, file or protocol.

Reads the manifest of a prepared set; writes `splits/RULE-HASH.json`.
"""
