"""The same names in other tools: what MedPy, MONAI and surface-distance call HD95, ASSD and NSD.

Reads pairs of masks; writes nothing.
"""

FIGURES = {
    "medpy": ("hd95", "assd"),
    "monai": ("hd95", "assd", "nsd"),
    "surface-distance": ("hd95", "assd", "nsd"),
}
TOOLS = tuple(FIGURES)


def column(tool: str, figure: str) -> str:
    """The name of a figure among the columns of a case."""
    return f"by_{tool}_{figure}"
