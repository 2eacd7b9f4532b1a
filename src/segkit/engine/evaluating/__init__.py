"""Evaluating: scores of a run with intervals, under any protocol, and comparisons of runs.

Reads run folders and prepared sets; writes `cases.csv` and `summary.json`.
"""
