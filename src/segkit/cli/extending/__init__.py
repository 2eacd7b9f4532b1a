"""Extend: what is installed, and whether it keeps the contract."""
