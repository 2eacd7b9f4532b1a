"""Exporting: a network as a file of another format, compared with itself before it is kept.

Reads run folders or architectures; writes model files with their reports.
"""
