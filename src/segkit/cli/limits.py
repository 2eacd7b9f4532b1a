"""Bounds of options that several commands share."""

MAX_SEED = 2**31 - 1  # numpy's generators take 32 bits, and folds count on from the seed
