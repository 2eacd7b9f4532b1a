"""Margins with a guarantee, estimates of one's own score, and a test for unlike pictures.

Arithmetic on arrays only: what is measured, on which pictures, is `engine.certifying`'s business.
"""
