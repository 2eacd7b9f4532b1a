"""Outlines and run lengths of masks, and back: exact to the pixel, holes included."""
