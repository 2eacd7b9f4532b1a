"""Published orders weighed: the band of each row, and the chance that its lead is false."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.engine.studying import pages
from segkit.errors import SegkitError
from segkit.metrics.auditing import bands
from segkit.metrics.published import rows_on

SOURCES = "arXiv 2409.17763 and arXiv 2505.04720"
DOUBTFUL = 0.05


def study(data: str, pictures: int) -> dict[str, Any]:
    """All published rows of a dataset with a Dice, on a test part of so many pictures."""
    found: dict[str, list[tuple[str, float]]] = {}
    for row in rows_on(data):
        if row.scores.get("dice"):
            found.setdefault(row.source, []).append((row.name, row.scores["dice"]))
    if not found:
        raise SegkitError(f"no published Dice on {data} is known", "segkit leaderboard lists rows")
    tables = [
        {"source": source, "rows": bands.claims(rows, pictures)} for source, rows in found.items()
    ]
    return {"data": data, "pictures": pictures, "tables": tables}


def sentences(made: dict[str, Any]) -> list[str]:
    """What the study says, in a few sentences."""
    said = []
    for table in made["tables"]:
        leads = [row["false"] for row in table["rows"] if row["false"] is not None]
        if not leads:
            continue
        weak = sum(false > DOUBTFUL for false in leads)
        said.append(
            f"{table['source']}: of {len(leads)} leads over the next row, {weak} have a chance of "
            f"more than {100 * DOUBTFUL:.0f} % to be false with {made['pictures']} test pictures; "
            f"that of the first row ({table['rows'][0]['name']}) is {100 * leads[0]:.0f} %."
        )
    return said


def write(made: dict[str, Any], page: Path, command: str) -> Path:
    """Write the page."""
    blocks, pictures = [], {}
    for number, table in enumerate(made["tables"]):
        rows = [
            [
                row["name"],
                pages.spread(row["mean"], (row["low"], row["high"])),
                "" if row["false"] is None else f"{100 * row['false']:.0f} %",
            ]
            for row in table["rows"]
        ]
        heads = ["as published", "Dice (band that the model allows)", "lead over the next is false"]
        blocks += [f"## {table['source']}", pages.table(heads, rows)]
        bars = [pages.Bar(r["name"], r["mean"], r["low"], r["high"]) for r in table["rows"]]
        pictures[f"{page.stem}-{number}.svg"] = pages.intervals(bars, table["source"])
    blocks.append(
        f"The rows print no intervals. The band follows from the number of test pictures and a "
        f"standard deviation of {bands.SHARE} of the largest possible, the chance from a "
        f"correlation of {bands.CORRELATION} between networks; both were measured on our own "
        f"paired runs. The argument is that of {SOURCES}. It is a statement on what the printed "
        "figures can carry, not on the networks."
    )
    title = f"Claims weighed: {made['data']}"
    return pages.write(page, title, sentences(made), blocks, pictures, command)
