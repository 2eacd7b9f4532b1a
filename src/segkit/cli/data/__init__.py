"""`segkit data`: what there is, how to get it, and what to do with it.

Reads options and draws; the work is done in the wings of `segkit.data`.
"""

from segkit.cli.data.catalogue import app

__all__ = ["app"]
