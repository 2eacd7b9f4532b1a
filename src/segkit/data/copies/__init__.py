"""Copies: equal and nearly equal pictures, and neighbouring tiles of one field.

Reads pictures or prepared sets; gives clusters and leaks, and writes nothing.
"""
