"""Does the scan earn its cost? A finished `sweep ARCH --study twin`, tested in pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.engine.evaluating.comparison import compare
from segkit.engine.runs import open_run
from segkit.engine.studying import pages
from segkit.errors import SegkitError

KINDS = ("scan", "conv", "identity")
NAMED = {"conv": "a depth-wise convolution of the same parameters", "identity": "nothing"}


def study(folder: Path) -> dict[str, Any]:
    """Scores of the three networks and both paired tests against the scan."""
    absent = [kind for kind in KINDS if not (folder / kind / "summary.json").is_file()]
    if absent:
        raise SegkitError(
            f"{folder} is no finished twin study",
            f"'{absent[0]}' has no scores",
            f"Run: segkit sweep ARCH --study twin --out {folder}",
        )
    found = compare([folder / kind for kind in KINDS])
    recipe = open_run(folder / "scan").recipe
    return {
        "architecture": recipe.architecture,
        "data": found["data"],
        "size": list(recipe.data.size),
        "epochs": recipe.train.epochs,
        "seeds": len({fold.seed for fold in open_run(folder / "scan").folds}),
        "n": found["n"],
        "runs": found["runs"],
        "seeds_sd": {kind: _seeds_sd(open_run(folder / kind).summary) for kind in KINDS},
        "pairs": [
            _against_scan(pair) for pair in found["pairs"] if "scan" in (pair["a"], pair["b"])
        ],
    }


def _seeds_sd(summary: dict[str, Any] | None) -> float | None:
    found = (summary or {}).get("metrics", {}).get("dice_image", {}).get("folds_sd")
    return None if found is None else float(found)


def _against_scan(pair: dict[str, Any]) -> dict[str, Any]:
    """Scan minus the other, whichever way it was compared."""
    sign = 1.0 if pair["a"] == "scan" else -1.0
    ends = sorted(sign * end for end in pair["ci95"])
    other = pair["b"] if sign > 0 else pair["a"]
    return {
        "other": other,
        "difference": sign * pair["difference"],
        "ci95": ends,
        "p_holm": pair["p_holm"],
        "detectable": pair["detectable"],
    }


def sentences(made: dict[str, Any]) -> list[str]:
    """What the study says, in a few sentences."""
    said = [
        f"{made['architecture']} on {made['data']} at {made['size'][0]}×{made['size'][1]}, "
        f"{made['epochs']} epochs, {made['seeds']} seeds, {made['n']} test pictures."
    ]
    for pair in made["pairs"]:
        low, high = (100 * end for end in pair["ci95"])
        clear = pair["p_holm"] < 0.05
        verdict = "shown for these seeds" if clear else "no difference is shown"
        said.append(
            f"Against {NAMED[pair['other']]} in its place, the scan scores "
            f"{100 * pair['difference']:+.2f} Dice points (95 %: {low:+.2f} to {high:+.2f}; "
            f"p = {pair['p_holm']:.3g} after Holm): {verdict}."
        )
    widest = max((sd for sd in made["seeds_sd"].values() if sd is not None), default=None)
    if widest is not None:
        said.append(
            f"Seeds alone move a network by {100 * widest:.2f} points (standard deviation, the "
            "largest of the three): a smaller difference may be a matter of seeds."
        )
    return said


def write(made: dict[str, Any], page: Path, command: str) -> Path:
    """Write the page."""
    bars = [
        pages.Bar(row["name"], row["mean"], *(row["ci95"] or (None, None))) for row in made["runs"]
    ]
    pairs = [
        [
            f"scan − {pair['other']}",
            f"{100 * pair['difference']:+.2f}",
            " to ".join(f"{100 * end:+.2f}" for end in pair["ci95"]),
            f"{pair['p_holm']:.3g}",
            f"{100 * pair['detectable']:.2f}",
        ]
        for pair in made["pairs"]
    ]
    rows = [
        [row["name"], row["architecture"], pages.spread(row["mean"], row["ci95"])]
        for row in made["runs"]
    ]
    blocks = [
        pages.table(["network", "name", "Dice per image (95 %)"], rows),
        pages.table(
            ["pair", "Dice points", "95 %", "p (Holm)", "smallest difference seen with 80 % power"],
            pairs,
        ),
        "A difference that is not shown is no proof of equality: the last column says how large "
        "one would have had to be. The intervals are over test pictures with the trained seeds "
        "held fixed.",
    ]
    svg = pages.intervals(bars, "Dice per image, mean and 95 % interval")
    title = f"Does the scan earn its cost? {made['architecture']}"
    return pages.write(page, title, sentences(made), blocks, {f"{page.stem}.svg": svg}, command)
