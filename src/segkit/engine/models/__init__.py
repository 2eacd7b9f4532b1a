"""Trained networks to hand on: a finished run becomes a small folder with card, graph and hashes.

Reads a run and its prepared set; writes the folder that `segkit.api.TrainedModel` describes.
"""
