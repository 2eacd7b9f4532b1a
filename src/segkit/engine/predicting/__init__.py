"""Predicting: masks for pictures of any size, from a run folder or an ONNX file.

Reads weights and pictures; writes masks, overlays and `predictions.csv`.
"""
