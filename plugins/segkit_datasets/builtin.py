"""The built-in synthetic sets: drawn from a seed, no download, no licence to accept."""

from __future__ import annotations

from segkit.api import Dataset

_DRAWN = "Drawn by segkit from a seed; no patient, no download. Public domain (CC0)."


def _builtin(
    name: str, title: str, modality: str, maker: str, count: int, foreground: str
) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        summary=f"{title}: drawn by segkit, exact masks, any size, no download.",
        modality=modality,
        generate=f"segkit_datasets.{maker}",
        classes=("background", foreground),
        counts={"all": count},
        licence="CC0",
        terms=_DRAWN,
        citation="segkit, built-in synthetic pictures",
        defects=("synthetic: scores here say nothing about patients",),
    )


DEMO = _builtin("demo", "Synthetic dermoscopy", "dermoscopy", "dermoscopy:generate", 240, "lesion")
DEMO_POLYP = _builtin(
    "demo-polyp", "Synthetic endoscopy", "endoscopy", "scenes:generate_polyps", 160, "polyp"
)
DEMO_ULTRASOUND = _builtin(
    "demo-ultrasound",
    "Synthetic ultrasound",
    "ultrasound",
    "scenes:generate_ultrasound",
    160,
    "lesion",
)
DEMO_NUCLEI = _builtin(
    "demo-nuclei", "Synthetic nuclei", "microscopy", "scenes:generate_nuclei", 120, "nucleus"
)
DEMO_VESSELS = _builtin(
    "demo-vessels", "Synthetic retinal vessels", "fundus", "scenes:generate_vessels", 60, "vessel"
)
