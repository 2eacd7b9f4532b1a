"""Training: from a recipe to run folders with weights, one epoch after the other.

Reads prepared sets and recipes; writes `recipe.json`, `environment.json`, `metrics.csv`, `last.pt`
and `best.safetensors`.
"""
