"""The released names of U-Net++ (the nested U-Net): one head, or four."""

from __future__ import annotations

from segkit.nn.renaming import Layout

NODES = tuple(
    (f"conv{{i}}_{{j}}.{layer}{number}", f"nodes.x{{i}}{{j}}.{number - 1}.{place}")
    for number in (1, 2)
    for place, layer in enumerate(("conv", "bn"))
)
LAYOUTS = {
    "original": Layout(*NODES, ("final", "heads.0")),
    "supervised": Layout(*NODES, ("final{i}", "heads.{i-1}")),
}
