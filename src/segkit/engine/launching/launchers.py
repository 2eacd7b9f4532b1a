"""The places that segkit knows, as entry points; their packages are imported when they are used."""

from __future__ import annotations

from segkit.api import Launcher
from segkit.engine.launching import settings

PACKAGE = "segkit.engine.launching"
HERE = Launcher(
    "here",
    "This machine, one task after another.",
    f"{PACKAGE}.here:Here",
    settings.HereSettings,
)
SLURM = Launcher(
    "slurm",
    "SLURM: an array job, one task per run, requeued when killed.",
    f"{PACKAGE}.slurm:Slurm",
    settings.SlurmSettings,
    extra="slurm",
    requires=("submitit",),
)
RAY = Launcher(
    "ray",
    "Ray: one Ray task per run, retried when its worker dies.",
    f"{PACKAGE}.raying:Ray",
    settings.RaySettings,
    extra="ray",
    requires=("ray",),
)
