"""A card to a verdict: train as the card says, score as the paper did, put both side by side."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.data import sources
from segkit.engine.evaluating import evaluate
from segkit.engine.experiments import reproduction_cards
from segkit.engine.experiments.reproduction_cards import Printed, ReproductionCard
from segkit.engine.runs import open_run
from segkit.engine.training import crossval, request
from segkit.events import Done, EpochDone, Event, Note, Verdict
from segkit.recipe import Recipe

FILE, PAGE = "reproduction.json", "reproduction.md"
# a name that a paper prints, under our names of per-image and pooled figures
PLAIN = {"hd95"}


@dataclass(frozen=True)
class Order:
    """What is asked for; None leaves it to the card."""

    card: str
    out: Path
    epochs: int | None = None
    size: tuple[int, int] | None = None
    budget: float | None = None  # seconds for the whole training
    settings: tuple[str, ...] = ()  # as --set
    options: crossval.TrainingOptions = field(default_factory=crossval.TrainingOptions)


def reproduce(order: Order) -> Iterator[Event]:
    """Train and score; the last event is "verdict" with the whole document."""
    architecture, card, printed = reproduction_cards.read(order.card)
    asked = request_of(architecture, card, order)
    full = full_recipe(architecture, card, order)
    recipe = asked.recipe
    if order.budget is not None and order.epochs is None and not order.options.resume:
        epochs = yield from _fit(recipe, order)
        asked = request_of(architecture, card, replace(order, epochs=epochs))
        recipe = asked.recipe
    for text in asked.notes:
        yield Note(text)
    begun = time.monotonic()
    for event in crossval.train(recipe, order.out, replace(order.options, score=False)):
        if not isinstance(event, Done):
            yield event
    seconds = time.monotonic() - begun
    yield Note(f"scoring as {printed.scoring or 'segkit'}")
    yield Verdict(conclude(order.out, card, printed, full, seconds))


def full_recipe(architecture: str, card: ReproductionCard, order: Order) -> Recipe:
    """The recipe of the card itself, which the run is held against."""
    return request_of(architecture, card, replace(order, epochs=None, size=None)).recipe


def request_of(architecture: str, card: ReproductionCard, order: Order) -> request.Request:
    """The recipe of a card, with what the order changes."""
    data: dict[str, Any] = {"name": card.dataset, "protocol": card.protocol or None}
    if order.size is not None:
        data["size"] = list(order.size)
    flags = {"data": data, "train": {"epochs": order.epochs}}
    asked = request.resolve(architecture, card.recipe, flags, order.settings)
    train = asked.recipe.train
    if train.freeze_epochs == 0 or train.init:
        return asked
    # a part that rests with random weights learns nothing: it is trained from the start instead
    settings = (*order.settings, "train.freeze_epochs=0")
    return request.resolve(architecture, card.recipe, flags, settings)


def _fit(recipe: Recipe, order: Order) -> Generator[Event, None, int]:
    """How many epochs the budget holds, from one epoch of one fold run for the clock."""
    assert order.budget is not None
    yield Note("one epoch to see how many fit the budget")
    one = replace(recipe, train=replace(recipe.train, epochs=1))
    options = replace(order.options, folds=[0], score=False, loggers=(), resume=False)
    seconds, folds = 0.0, 1
    with tempfile.TemporaryDirectory() as folder:
        for event in crossval.train(one, Path(folder) / "probe", options):
            if isinstance(event, EpochDone):
                seconds = event.seconds
        folds = len(open_run(Path(folder) / "probe").split.folds)
    planned = len(order.options.folds) if order.options.folds else folds
    fitting = int(order.budget / max(seconds * planned * order.options.seeds, 1e-9))
    epochs = max(1, min(recipe.train.epochs, fitting))
    most = recipe.train.epochs
    text = f"budget {order.budget:.0f} s: {epochs} of {most} epochs on {planned} fold(s)"
    yield Note(text)
    return epochs


def conclude(
    run_folder: Path, card: ReproductionCard, printed: Printed, full: Recipe, seconds: float
) -> dict[str, Any]:
    """Score a finished run against its card, and write the verdict into the run folder."""
    run = open_run(run_folder)
    other = card.evaluate if card.evaluate and card.evaluate != card.dataset else None
    scored = evaluate.evaluate_run(run, data=other, protocol=printed.scoring or None, device="auto")
    rows = [_row(name, value, scored, printed, card) for name, value in printed.figures.items()]
    differs = _differences(run.recipe, full, run.card, run.selection, printed)
    document = {
        "card": card.name,
        "paper": card.paper,
        "row": card.row,
        "run": str(run_folder),
        "command": run.environment.get("command", ""),
        "n": scored["n"],
        "selection": run.selection,
        "published_selection": printed.selection,
        "scoring": printed.scoring,
        "rows": rows,
        "verdict": _verdict(rows, differs),
        "scaled": differs,
        "known_differences": list(card.notes),
        "train_seconds": round(seconds, 1),
    }
    paths.write_json(run_folder / FILE, document)
    paths.write_text(run_folder / PAGE, page(document))
    return document


def _row(
    name: str, published: float, scored: dict[str, Any], printed: Printed, card: ReproductionCard
) -> dict[str, Any]:
    """One figure: published, ours under the paper's scoring, ours under segkit's rule."""
    figure = scored["metrics"].get(_our_name(name, printed.aggregation), {})
    convention = scored["protocols"].get(printed.scoring, {})
    plain = name.removesuffix("_image").removesuffix("_pooled")
    scale = 1.0 if plain in PLAIN else 100.0
    ours = figure.get("mean")
    alike = convention.get("metrics", {}).get(plain, ours)
    # the interval must be that of the figure that is compared
    ends = figure.get("ci95") if alike == ours else convention.get("ci95", {}).get(plain)
    low, high = ends or (None, None)
    return {
        "figure": name,
        "published": published,
        "ours": None if alike is None else scale * alike,
        "ours_segkit_rule": None if ours is None else scale * ours,
        "ci95": None if low is None or high is None else [scale * low, scale * high],
        "difference": None if alike is None else scale * alike - published,
        "tolerance": card.tolerance_points,
    }


def _our_name(name: str, aggregation: str) -> str:
    if name in PLAIN or name.endswith(("_image", "_pooled")) or name == "mae":
        return name
    return f"{name}_{'pooled' if aggregation == 'pooled' else 'image'}"


def _differences(
    recipe: Recipe, full: Recipe, card: dict[str, Any], selection: str, printed: Printed
) -> list[str]:
    """What this run changed against the card itself."""
    found = []
    if full.train.freeze and not recipe.train.init:
        found.append(f"'{full.train.freeze}' starts from random weights and is trained at once")
    if recipe.train.epochs != full.train.epochs:
        found.append(f"{recipe.train.epochs} of {full.train.epochs} epochs")
    if recipe.data.size != full.data.size:
        found.append(f"{_by(recipe.data.size)} instead of {_by(full.data.size)}")
    expected = sum(sources.dataset(card["name"]).counts.values())
    count = card.get("count") or card.get("counts")
    have = sum(count.values()) if isinstance(count, dict) else count
    if expected and have and int(have) < expected:
        found.append(f"{have} of the {expected} pictures of {card['name']}")
    if printed.selection and selection != printed.selection:
        found.append(f"checkpoint chosen on '{selection}', published on '{printed.selection}'")
    return found


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _verdict(rows: list[dict[str, Any]], differs: list[str]) -> str:
    known = [row for row in rows if row["difference"] is not None]
    if not known:
        return "nothing to compare"
    within = all(abs(row["difference"]) <= row["tolerance"] for row in known)
    if differs:
        return "scaled run, no verdict" + (" (within tolerance all the same)" if within else "")
    if within:
        return "reproduced"
    signs = {row["difference"] > 0 for row in known if abs(row["difference"]) > row["tolerance"]}
    return "not reproduced: " + (
        "mixed" if len(signs) > 1 else "above" if signs == {True} else "below"
    )


def page(document: dict[str, Any]) -> str:
    """The verdict as Markdown."""
    lines = [
        f"# {document['card']}",
        "",
        f"{document['paper']}; {document['row']}. **{document['verdict']}**",
        "",
        "| figure | published | ours, scored as published | ours, segkit's rule "
        "| 95 % interval | difference |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in document["rows"]),
        "",
        _about(document),
        f"Command: `{document['command']}`",
    ]
    for title, items in (
        ("This run differs from the published one:", document["scaled"]),
        ("Known differences of any re-run:", document["known_differences"]),
    ):
        if items:
            lines += ["", title, "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"


def _about(document: dict[str, Any]) -> str:
    published = document["published_selection"] or "?"
    return (
        f"Selection: ours {document['selection']}, published {published}. "
        f"{document['n']} pictures, trained in {document['train_seconds']:.0f} s."
    )


def _line(row: dict[str, Any]) -> str:
    cells = [row["figure"], _number(row["published"]), _number(row["ours"])]
    cells += [
        _number(row["ours_segkit_rule"]),
        interval(row),
        _number(row["difference"], sign=True),
    ]
    return "| " + " | ".join(cells) + " |"


def interval(row: dict[str, Any]) -> str:
    """The interval of our figure in words."""
    return f"{row['ci95'][0]:.2f} to {row['ci95'][1]:.2f}" if row["ci95"] else ""


def _number(value: float | None, sign: bool = False) -> str:
    return "" if value is None else f"{value:+.2f}" if sign else f"{value:.2f}"
