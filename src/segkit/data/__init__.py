"""Datasets: fetched, paired, prepared once into packed arrays, split without leaks."""
