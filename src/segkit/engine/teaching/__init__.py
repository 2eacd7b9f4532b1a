"""A trained network that teaches another: which one it is, and what it answers.

The loop that listens to it is that of `segkit.engine.training`.
"""
