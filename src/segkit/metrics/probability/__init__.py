"""What a probability map is worth beyond one threshold: ranking, calibration errors, temperature.

Reads probabilities and masks; writes nothing.
"""
