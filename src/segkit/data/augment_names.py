"""The names of the augmentation policies, for checks that must not import numpy."""

NAMES = ("none", "flips", "light", "strong", "qtseg", "dermomamba", "vmpanet", "eamnet")
SUFFIXES = (".json", ".yaml", ".yml")  # a saved albumentations pipeline
