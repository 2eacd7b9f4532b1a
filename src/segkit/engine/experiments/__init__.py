"""Experiments: sweeps, studies and published rows, each made of many runs.

Reads grids and reproduction cards; writes run folders with one table over them.
"""
