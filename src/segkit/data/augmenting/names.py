"""The names of the augmentation policies, for checks that must not import numpy."""

OF_PAPERS = ("qtseg", "dermomamba", "vmpanet", "eamnet")
NAMES = ("none", "flips", "light", "strong", "dermoscopy", "nuclei", *OF_PAPERS)
SUFFIXES = (".json", ".yaml", ".yml")  # a saved albumentations pipeline
