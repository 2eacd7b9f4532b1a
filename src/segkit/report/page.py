"""`write_report`: runs in, one self-contained HTML page out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from segkit import __version__, paths
from segkit.metrics.published import rows_on
from segkit.report import certified, charts, classes, pictures, sections
from segkit.report.reading import Entry, read_cases, read_entries
from segkit.report.table import build_table
from segkit.report.ties import ties
from segkit.report.wording import INTERNAL, page_in_words

LIMIT = 5_000_000  # bytes of a report


def write_report(
    runs: Sequence[Path | str], out: Path | str, cost: bool = True, words: str = "plain"
) -> Path:
    """Write the report of the runs; `out` is a file, or a folder that gets report.html."""
    out = Path(out)
    file = out if out.suffix.lower() in (".html", ".htm") else out / "report.html"
    return paths.write_text(file, render(read_entries(runs, cost), words))


def render(entries: Sequence[Entry], words: str = "plain") -> str:
    """The page; with fewer example pictures if it would pass the limit."""
    for each in (3, 2, 1, 0):
        page = page_in_words(_render(entries, each, words), words)
        if len(page.encode()) < LIMIT:
            break
    return page


def _render(entries: Sequence[Entry], each: int, words: str = "plain") -> str:
    import jinja2

    compared = ties(entries)
    table = build_table(entries, compared)
    contents: dict[str, Any] = {
        "result": sections.result(entries, table, compared),
        "matrix": sections.matrix(entries),
        "charts": drawn_charts(entries),
        "cases": _cases(entries, each),
        "maps": _maps(entries) if each else None,
        "classes": classes.section(entries),
        "slices": sections.slices(entries),
        "certified": certified.section(entries),
        "details": sections.details(entries),
        "words": True,
    }
    titles = {
        "result": "Result",
        "matrix": "Matrix",
        "charts": "Charts",
        "cases": "Cases",
        "maps": "What the networks look at",
        "classes": "Classes",
        "slices": "Slices",
        "certified": "Margins and doubt",
        "details": "How it was made",
        "words": "Words",
    }
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html").render(
        **contents,
        sections=[{"id": key, "title": titles[key]} for key in contents if contents[key]],
        title=_title(entries),
        lead=_lead(entries),
        notices=[*([INTERNAL] if words == "claim" else []), *sections.notices(entries)],
        version=__version__,
        date=date.today().isoformat(),
        css=_raw("page.css"),
        js=_raw("page.js"),
    )


def _template(name: str) -> str:
    return resources.files("segkit.report").joinpath("templates", name).read_text("utf-8")


def _raw(name: str) -> Any:
    import markupsafe

    return markupsafe.Markup(_template(name))


def _title(entries: Sequence[Entry]) -> str:
    data = ", ".join(sorted({entry.data for entry in entries}))
    if len(entries) == 1:
        return f"{entries[0].architecture} on {data}"
    return f"{len(entries)} runs on {data}"


def _lead(entries: Sequence[Entry]) -> str:
    kinds = sorted({name for entry in entries for name in entry.classes[1:]})
    what = " and ".join(kinds) if 0 < len(kinds) < 4 else f"{len(kinds)} classes"
    return (
        f"How well neural networks outline what people outlined by hand ({what}), measured on "
        "pictures that were kept out of training. The words are explained at the end."
    )


def drawn_charts(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The charts that these runs have data for: title, svg, caption."""
    makers = (_bubbles, _dice_curves, _loss_curves, _distribution, _calibration)
    found = [chart for maker in makers if (chart := maker(entries)) is not None]
    return [{"names": [name for name, _ in chart["series"]], **chart} for chart in found]


def _bubbles(entries: Sequence[Entry]) -> dict[str, Any] | None:
    own = [
        charts.Bubble(
            entry.label,
            entry.cost["flops"] / 1e9,
            entry.score("dice_image").mean,
            entry.cost["params"] / 1e6,
        )
        for entry in entries
        if entry.cost and entry.score("dice_image").known
    ]
    printed = _published(entries) if own else []
    if len(own) + len(printed) < 2:
        return None
    caption = "Up is better, left is cheaper; area of a bubble: number of parameters."
    if printed:
        caption += " Hollow: published, on other splits, FLOPs counted otherwise; point at one."
    return {
        "title": "Score against cost",
        "svg": charts.bubbles([*printed, *own]),
        "series": [],
        "names": [charts.title_of(point) for point in (*printed, *own)],
        "summary": "; ".join(f"{p.name}: {p.dice:.3f} at {p.gflops:.2f} GFLOPs" for p in own),
        "caption": caption,
    }


def _published(entries: Sequence[Entry]) -> list[charts.Bubble]:
    """Published rows on the dataset, if there is only one and they print a cost."""
    data = {entry.data for entry in entries}
    rows = rows_on(data.pop()) if len(data) == 1 else []
    return [
        charts.Bubble(
            row.name,
            row.gflops,
            row.scores["dice"],
            math.nan if row.params_m is None else row.params_m,
            published=True,
            note=f"; {row.source}",
        )
        for row in rows
        if row.gflops and "dice" in row.scores
    ]


def _curves(entries: Sequence[Entry], key: str) -> list[charts.Series]:
    found = []
    for index, entry in enumerate(entries):
        for fold in entry.run.folds:
            points = [(row["epoch"], row.get(key, math.nan)) for row in fold.history()]
            name = entry.label if fold == entry.run.folds[0] else f"{entry.label} fold {fold.index}"
            if any(math.isfinite(value) for _, value in points):
                found.append(charts.Series(name, points, index))
    return found


def _dice_curves(entries: Sequence[Entry]) -> dict[str, Any] | None:
    series = _curves(entries, "val_dice_image")
    if not series:
        return None
    return {
        "title": "Validation Dice while training",
        "svg": charts.lines(series, "dice", "epoch", "Dice per image (validation)"),
        "summary": _last_values(series),
        "series": _names(series),
        "caption": "Still rising at the end: longer training would help.",
    }


def _loss_curves(entries: Sequence[Entry]) -> dict[str, Any] | None:
    series = _curves(entries, "loss")
    if not series:
        return None
    return {
        "title": "Training loss",
        "svg": charts.lines(series, "loss", "epoch", "loss"),
        "summary": _last_values(series),
        "series": _names(series),
        "caption": "Losses of different recipes are not comparable with each other.",
    }


def _last_values(series: Sequence[charts.Series]) -> str:
    return "; ".join(f"{one.name} ends at {one.points[-1][1]:.3f}" for one in series[:8])


def _names(series: Sequence[charts.Series]) -> list[tuple[str, int]]:
    return [(one.name, one.colour % charts.COLOURS) for one in series]


def _distribution(entries: Sequence[Entry]) -> dict[str, Any] | None:
    found = [
        (entry.label, [row["dice"] for row in entry.cases], index)
        for index, entry in enumerate(entries)
        if entry.cases
    ]
    if not found:
        return None
    return {
        "title": "Distribution of the scores",
        "svg": charts.distribution(found),
        "series": [(name, index % charts.COLOURS) for name, _, index in found],
        "summary": "; ".join(
            f"{name}: {charts.shares(values)[-1]:.0%} of the pictures above 0.9"
            for name, values, _ in found
        ),
        "caption": "A mean hides failures: bars on the left are pictures that went wrong.",
    }


def _calibration(entries: Sequence[Entry]) -> dict[str, Any] | None:
    series, errors = [], []
    for index, entry in enumerate(entries):
        found = entry.summary.get("calibration") or {}
        points = [
            (one["confidence"], one["accuracy"])
            for one in found.get("bins", [])
            if one.get("confidence") is not None
        ]
        if points:
            series.append(charts.Series(entry.label, points, index))
            errors.append(f"{entry.label}: expected calibration error {found['ece']:.4f}")
    if not series:
        return None
    return {
        "title": "Calibration",
        "svg": charts.calibration(series),
        "series": _names(series),
        "summary": "; ".join(errors),
        "caption": "On the diagonal, a probability can be taken at its word. "
        + "; ".join(errors)
        + ".",
    }


def _cases(entries: Sequence[Entry], each: int) -> dict[str, Any] | None:
    groups, missing = [], []
    for entry in entries:
        rows = [(fold, read_cases(fold)) for fold in entry.run.folds]
        if not any(found for _, found in rows):
            continue
        shown = pictures.cases(entry.run, rows, each) if each else []
        if shown:
            groups.append({"title": entry.label, "cases": [_case(case) for case in shown]})
        else:
            missing.append(entry.label)
    if not groups and not missing:
        return None
    notes = []
    if missing:
        notes.append(
            f"No pictures of {', '.join(missing)}: the prepared set is not on this machine, or the "
            "page would have become too large."
        )
    sentence = "The three worst, median and best test pictures of each run, by Dice."
    return {"sentence": sentence, "groups": groups, "notes": notes}


def _maps(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Attention and prompt maps of the networks that offer them."""
    groups = []
    for entry in entries:
        rows = [(fold, read_cases(fold)) for fold in entry.run.folds]
        shown = pictures.attention(entry.run, rows) if entry.cases else []
        cases = [
            {
                "id": name,
                "panels": [{"title": t, "uri": uri, "alt": f"{name}: {t}"} for t, uri in panels],
            }
            for name, panels in shown
        ]
        if cases:
            groups.append({"title": entry.label, "cases": cases})
    return groups


def _case(case: pictures.ShownCase) -> dict[str, Any]:
    row = case.row
    facts = [f"HD95 {row['hd95']:.1f} px"] if math.isfinite(row.get("hd95", math.nan)) else []
    if row.get("cls"):
        facts.append(str(row["cls"]))
    return {
        "kind": case.kind.capitalize(),
        "dice": f"{case.dice:.3f}",
        "id": case.id,
        "facts": ", ".join(facts),
        "panels": [
            {
                "title": title.capitalize(),
                "uri": uri,
                "alt": f"{case.id}: {title} ({case.kind} case, Dice {case.dice:.3f})",
            }
            for title, uri in case.panels
        ],
    }
