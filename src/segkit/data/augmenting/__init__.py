"""Augmenting: random changes of training pictures, batched on the device or one by one.

Reads batches; gives batches, and writes nothing.
"""
