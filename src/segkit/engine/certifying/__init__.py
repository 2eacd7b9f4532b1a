"""Certifying: what may be promised of a trained network, measured on pictures kept from training.

Reads a run and a prepared set; writes `certificate.json`.
"""
