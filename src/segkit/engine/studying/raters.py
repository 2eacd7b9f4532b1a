"""The human band: a network against each rater, and the raters against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segkit import paths
from segkit.data.images import read_image
from segkit.engine.evaluating.cases import own_geometry
from segkit.engine.evaluating.settings import EvaluationSettings, prepare_evaluation
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.runs import open_run
from segkit.engine.studying import pages
from segkit.errors import SegkitError
from segkit.metrics import surface
from segkit.metrics.confusion import counts
from segkit.metrics.intervals import Resampler, mean_figure

SECOND = {"chase": ("_1stHO", "_2ndHO")}  # how a second rater's file is named after the first's
PAIRS = ("network, rater 1", "network, rater 2", "rater 1, rater 2")
QUANTILE = 0.95  # of the raters' distances: NSD's tolerance


def study(model: Path | str, progress: Any = None) -> dict[str, Any]:
    """Dice and NSD of the three pairs on the test part, with intervals over subjects."""
    evaluation = prepare_evaluation(open_run(model), EvaluationSettings(save=False))
    prepared, fold = evaluation.prepared, evaluation.folds[0]
    ids, segmenter = evaluation.ids(fold), load_segmenter(model)
    rows = []
    for name in ids:
        place = prepared.index(name)
        high, wide = own_geometry(prepared, place).content
        mask = np.asarray(segmenter.masks(np.asarray(prepared.images[place])[None]))[0]
        first = np.asarray(prepared.masks[place])[:high, :wide] != 0
        second = second_mask(prepared.name, prepared.item(name), first.shape)
        rows.append((mask[:high, :wide] != 0, first, second))
        if progress is not None:
            progress.advance()
    groups = [evaluation.groups.get(name, name) for name in ids]
    return {"model": str(model), "data": prepared.name, "n": len(ids), **measured(rows, groups)}


def second_mask(data: str, item: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The second rater's mask on the prepared grid."""
    if data not in SECOND or not item["masks"]:
        raise SegkitError(
            f"{data} has no second rater that segkit knows", f"known: {', '.join(SECOND)}"
        )
    one, other = SECOND[data]
    file = paths.raw(data) / item["masks"][0].replace(one, other)
    if not file.is_file():
        raise SegkitError(f"{file} is missing", "the second rater's masks are not here")
    grey = read_image(file)[..., 0]
    # the same rule as `prepare` has for masks: the pixel at the centre
    return cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 127


def measured(
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]], groups: list[str]
) -> dict[str, Any]:
    """Both scores of each pair; `rows` are (network, rater 1, rater 2)."""
    tolerance = rater_tolerance([(first, second) for _, first, second in rows])
    draws = Resampler(len(rows), groups)
    found = []
    for name, (a, b) in zip(PAIRS, ((0, 1), (0, 2), (1, 2)), strict=True):
        dice = [float(counts(row[a][None], row[b][None]).scores()["dice"][0]) for row in rows]
        nsd = [surface.nsd(row[a], row[b], tolerance=tolerance) for row in rows]
        figures = {"dice": draws.report(mean_figure(dice)), "nsd": draws.report(mean_figure(nsd))}
        found.append({"pair": name, **figures})
    return {"tolerance": tolerance, "pairs": found}


def rater_tolerance(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The distance within which 95 % of one rater's outline lies from the other's, in pixels."""
    found = [value for one, other in pairs for value in (_apart(one, other), _apart(other, one))]
    values = np.concatenate(found) if found else np.zeros(0)
    if not values.size:
        raise SegkitError("the raters marked nothing: there is no tolerance to measure")
    return max(1.0, float(np.quantile(values, QUANTILE)))


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances from the rim of one mask to the rim of the other."""
    rims: list[np.ndarray] = [_rim(mask) for mask in (one, other)]
    if not rims[0].any() or not rims[1].any():
        return np.zeros(0)
    away = (~rims[1]).astype(np.uint8)
    return cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[rims[0]]


def _rim(mask: np.ndarray) -> np.ndarray:
    solid = mask.astype(np.uint8)
    return (solid > 0) & (cv2.erode(solid, np.ones((3, 3), np.uint8)) == 0)


def sentences(made: dict[str, Any]) -> list[str]:
    """What the study says, in a few sentences."""
    one, two, human = (pair["dice"] for pair in made["pairs"])

    def said(row: dict[str, Any]) -> str:
        return pages.spread(row["mean"], row["ci95"])

    inside = min(one["mean"], two["mean"]) >= human["mean"]
    verdict = "reaches the raters' own agreement" if inside else "does not reach it with both"
    return [
        f"Two raters of {made['data']} agree with each other to a Dice of {said(human)} on "
        f"{made['n']} test pictures.",
        f"{made['model']} agrees with the first, who taught it, to {said(one)} and with the second "
        f"to {said(two)}: it {verdict}.",
        f"95 % of the raters' outlines lie within {made['tolerance']:.2f} pixels of each other, "
        "which is the tolerance of NSD here.",
    ]


def write(made: dict[str, Any], page: Path, command: str) -> Path:
    """Write the page."""
    bars = [
        pages.Bar(
            f"{score}: {pair['pair']}", pair[score]["mean"], *(pair[score]["ci95"] or (None, None))
        )
        for score in ("dice", "nsd")
        for pair in made["pairs"]
    ]
    rows = [
        [pair["pair"], *(pages.spread(pair[s]["mean"], pair[s]["ci95"]) for s in ("dice", "nsd"))]
        for pair in made["pairs"]
    ]
    nsd = f"NSD at {made['tolerance']:.2f} px (95 %)"
    blocks = [pages.table(["pair", "Dice (95 %)", nsd], rows)]
    svg = pages.intervals(bars, "Mean and 95 % interval over test pictures")
    title = f"The human band: {made['model']} on {made['data']}"
    return pages.write(page, title, sentences(made), blocks, {f"{page.stem}.svg": svg}, command)
