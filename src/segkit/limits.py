"""Bounds that recipes and options share. Stdlib only, and light: option parsers import it."""

MAX_SIDE = 16384  # pixels of a network's picture
MAX_SEED = 2**31 - 1  # numpy's generators take 32 bits, and folds count on from the seed
