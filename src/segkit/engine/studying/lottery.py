"""The split lottery: how far a score moves by the draw of the test pictures and of the seed alone.

Each picture's score was measured by a network that had not seen it. A split rule of a set of N
pictures draws a share of them; the cloud is the mean over so many draws with replacement, from the
pictures that were scored. What another draw of the *training* pictures changes is not in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from segkit.engine.evaluating.cases_csv import read_run_cases
from segkit.engine.runs import open_run
from segkit.engine.studying import pages
from segkit.errors import SegkitError
from segkit.metrics.published import rows_on

RULES = {"7:3": 0.3, "8:1:1": 0.1, "5 folds, one of them": 0.2}
DRAWS = 4000


def study(run: Path | str, seed: int = 0) -> dict[str, Any]:
    """Clouds per rule, the spread over seeds, and published figures on the same dataset."""
    opened = open_run(run)
    columns = read_run_cases(opened.folds)
    table = by_seed(columns)
    whole = int(opened.card.get("count") or table.shape[1])
    sizes = {rule: max(2, round(share * whole)) for rule, share in RULES.items()}
    generator = np.random.default_rng(seed)
    return {
        "run": str(run),
        "architecture": opened.recipe.architecture,
        "data": opened.card["name"],
        "pictures": whole,
        "scored": table.shape[1],
        "seeds": table.shape[0],
        "mean": float(table.mean()),
        "seed_means": table.mean(1).tolist(),
        "rules": [
            {"rule": rule, "test": many, **cloud(table, many, generator)}
            for rule, many in sizes.items()
        ],
        "published": [
            {"name": row.name, "dice": row.scores["dice"], "source": row.source}
            for row in rows_on(opened.card["name"])
            if "dice" in row.scores
        ],
    }


def by_seed(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Dice (seeds, pictures) of the pictures that all seeds have scored."""
    seeds = columns.get("seed", np.array(["0"] * len(columns["id"]), dtype=object))
    tables = [
        dict(zip(columns["id"][seeds == one], columns["dice"][seeds == one], strict=True))
        for one in dict.fromkeys(seeds)
    ]
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    if len(shared) < 2:
        raise SegkitError("the run has fewer than two scored pictures that all its seeds share")
    return np.array([[table[name] for name in shared] for table in tables])


def cloud(table: np.ndarray, many: int, generator: np.random.Generator) -> dict[str, float]:
    """Quantiles of the mean over `many` drawn pictures, each draw with one of the seeds."""
    seeds = generator.integers(len(table), size=DRAWS)
    means = np.array(
        [table[s, generator.integers(table.shape[1], size=many)].mean() for s in seeds]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(means.mean()), "low": float(low), "high": float(high)}


def sentences(made: dict[str, Any]) -> list[str]:
    """What the study says, in a few sentences."""
    widest = max(made["rules"], key=lambda row: row["high"] - row["low"])
    first = made["rules"][0]
    said = [
        f"{made['architecture']} on {made['data']}: the mean Dice under the rule {first['rule']} "
        f"({first['test']} test pictures) lies between {first['low']:.4f} and {first['high']:.4f} "
        "in 95 % of the draws, with nothing changed but the pictures drawn and the seed.",
        f"Under {widest['rule']} ({widest['test']} pictures) it is {widest['low']:.4f} to "
        f"{widest['high']:.4f}, {100 * (widest['high'] - widest['low']):.1f} points.",
    ]
    figures = sorted(row["dice"] for row in made["published"])
    gaps = np.diff(figures)
    if gaps.size:
        wide = widest["high"] - widest["low"]
        share = float((gaps < wide).mean())
        said.append(
            f"Of the {gaps.size} gaps between neighbouring published rows on {made['data']}, "
            f"{100 * share:.0f} % are smaller than that cloud is wide."
        )
    return said


def write(made: dict[str, Any], page: Path, command: str) -> Path:
    """Write the page."""
    bars = [pages.Bar(row["rule"], row["mean"], row["low"], row["high"]) for row in made["rules"]]
    bars += [pages.Bar(f"seed {i}, all scored", v) for i, v in enumerate(made["seed_means"])]
    bars += [pages.Bar(row["name"], row["dice"], mark=True) for row in made["published"][:12]]
    rows = [
        [row["rule"], row["test"], f"{row['low']:.4f} to {row['high']:.4f}"]
        for row in made["rules"]
    ]
    blocks = [
        pages.table(["rule", "test pictures", "95 % of the draws"], rows),
        f"Crosses: rows as published on {made['data']}, by other networks. Draws are taken with "
        f"replacement from {made['scored']} scored pictures of {made['pictures']}; what another "
        "draw of the training pictures changes is not in the cloud, so it is a lower bound.",
    ]
    svg = pages.intervals(bars, "Mean Dice over the draws")
    title = f"The split lottery: {made['data']}"
    return pages.write(page, title, sentences(made), blocks, {f"{page.stem}.svg": svg}, command)
