"""See the package folder."""
