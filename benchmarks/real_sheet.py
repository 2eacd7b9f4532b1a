"""Test pictures with the outlines of several networks, by the runs of `benchmarks.real_results`.

    python -m benchmarks.real_sheet --trained dermoscopy,nuclei,vessels  # docs/images/trained.jpg
    python -m benchmarks.real_sheet                                # docs/images/real-isic2017.jpg

A column per picture, a row per network: trained networks of the box, each on its own test pictures,
or the finished runs on equal terms (seed 0) on the same ones. The pictures are not chosen by hand:
they lie at fixed shares of the ranking by (mean) Dice. White is the truth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from benchmarks.real_page import done
from benchmarks.real_plan import on_cpu

from segkit.engine.evaluating.cases_csv import read_run_cases
from segkit.engine.evaluating.evaluate import evaluate_run
from segkit.engine.evaluating.owned import own_copy
from segkit.engine.evaluating.seen import find_prepared
from segkit.engine.predicting.predictor import load
from segkit.engine.runs import Run, open_run

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the pictures, from the worst to the best
SIDE, BAR = 144, 18
TRUTH, FOUND = (255, 255, 255), (0, 210, 255)  # RGB


def dices(run: Run) -> dict[str, float]:
    """Dice of every test picture."""
    cases = read_run_cases(run.folds)
    return dict(zip(map(str, cases["id"]), map(float, cases["dice"]), strict=True))


def chosen(scores: dict[str, dict[str, float]]) -> list[str]:
    """The pictures at fixed shares of the ranking by the mean over the networks."""
    ids = sorted(next(iter(scores.values())))
    mean = {i: float(np.mean([one[i] for one in scores.values()])) for i in ids}
    ranked = sorted(ids, key=lambda i: mean[i])
    return [ranked[int(share * (len(ranked) - 1))] for share in SHARES]


def tile(image: np.ndarray, truth: np.ndarray, found: np.ndarray, text: str) -> np.ndarray:
    """A picture with both outlines and a line under it."""
    picture = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    for mask, colour in ((truth, TRUTH), (found, FOUND)):
        scaled = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(scaled, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, 1, cv2.LINE_AA)
    return np.vstack([picture, bar(text)])


def bar(text: str) -> np.ndarray:
    """A line of text as wide as a picture."""
    strip = np.full((BAR, SIDE, 3), 255, np.uint8)
    cv2.putText(
        strip, text, (4, BAR - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA
    )
    return strip


def strip(name: str, run: Run, ids: list[str], scores: dict[str, float]) -> np.ndarray:
    """All pictures of one network."""
    prepared, predict = find_prepared(run), load(run.path)
    tiles = []
    for case in ids:
        image, truth = prepared.original(case)
        found, _ = predict(image)
        one = tile(image, truth.astype(np.uint8), found, f"{name}  Dice {scores[case]:.2f}")
        tiles.append(np.pad(one, ((4, 4), (4, 4), (0, 0)), constant_values=255))
    return np.hstack(tiles)


def of_trained(names: list[str]) -> np.ndarray:
    """A row for each trained network, on test pictures of the set that it was trained on."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            run = own_copy(open_run(name), Path(folder) / name)
            evaluate_run(run)
            scores = dices(run)
            ids = chosen({name: scores})
            print(f"{name}: {', '.join(ids)}")
            rows.append(strip(name, run, ids, scores))
    return np.vstack(rows)


def of_finished(folder: Path) -> np.ndarray:
    """A row for each finished run on equal terms."""
    rows = [row for row in on_cpu() if row.name.endswith("-equal")]
    runs = {row.network: run for row in rows if (run := done(row.folder(folder, 0)))}
    scores = {name: dices(run) for name, run in runs.items()}
    ids = chosen(scores)
    print(f"{', '.join(runs)}; pictures {', '.join(ids)}")
    return np.vstack([strip(name, run, ids, scores[name]) for name, run in runs.items()])


def main() -> int:
    """Draw what is finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/real-cpu"))
    parser.add_argument("--trained", help="names of trained networks, with commas")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    usual = Path("docs/images") / ("trained.jpg" if asked.trained else "real-isic2017.jpg")
    sheet = of_trained(asked.trained.split(",")) if asked.trained else of_finished(asked.folder)
    cv2.imwrite(str(asked.out or usual), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(asked.out or usual)
    return 0


if __name__ == "__main__":
    sys.exit(main())
