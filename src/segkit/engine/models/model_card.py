"""The model card of a trained network: one Markdown file with Hugging Face's metadata on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segkit import paths
from segkit.data import sources
from segkit.data.store import PreparedSet, open_prepared
from segkit.engine.evaluating import cases_csv
from segkit.engine.runfiles import read_table
from segkit.engine.runs import FoldDir, Run
from segkit.errors import SegkitError
from segkit.metrics import skin_tone

FAILURES = 6  # pictures on the sheet of the worst cases
SIDE = 160
WHITE, BLUE = (255, 255, 255), (30, 120, 255)
NOTICE = (
    "**Not a medical device.** Research software: it has not been assessed for diagnosis or "
    "treatment, and its outlines must not be the ground of a medical decision."
)


def write(run: Run, fold: FoldDir, facts: dict[str, Any], out: Path) -> Path:
    """`README.md`, and a picture of the worst test cases where the prepared set is at hand."""
    prepared = _prepared(run)
    rows = _cases(fold)
    slices = [dict(row) for row in (run.summary or {}).get("slices", [])]
    if prepared is not None and "dermosc" in _modality(run):
        slices += tone_slices(prepared, rows)
    failures = prepared is not None and _failures(run, fold, prepared, rows, out)
    return paths.write_text(out / "README.md", _text(run, fold, facts, slices, failures))


def _modality(run: Run) -> str:
    return sources.dataset(str(run.card.get("name"))).modality.lower()


def _prepared(run: Run) -> PreparedSet | None:
    try:
        return open_prepared(Path(run.card.get("root") or ""))
    except SegkitError:
        return None


def _cases(fold: FoldDir) -> list[dict[str, str]]:
    return read_table(fold.cases_csv, cases_csv.NEEDED)


def tone_slices(prepared: PreparedSet, rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """Mean scores by skin tone, for the groups that at least three pictures have."""
    place = {name: index for index, name in enumerate(prepared.ids)}
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        index = place[row["id"]]
        angle = skin_tone.typology_angle(prepared.images[index], prepared.masks[index] > 0)
        groups.setdefault(skin_tone.group_of(angle), []).append(row)
    return [
        {
            "feature": "skin tone (ITA)",
            "slice": name,
            "n": len(groups[name]),
            **{f"{score}_image": _mean(groups[name], score) for score in ("dice", "iou", "hd95")},
        }
        for name, _ in skin_tone.GROUPS
        if len(groups.get(name, ())) >= 3
    ]


def _mean(rows: Iterable[dict[str, str]], score: str) -> float:
    return float(np.mean([float(row[score]) for row in rows]))


def _failures(
    run: Run, fold: FoldDir, prepared: PreparedSet, rows: list[dict[str, str]], out: Path
) -> bool:
    """The worst test pictures, the truth white, the network's outline blue."""
    from segkit.data.sheet import grid, outlined
    from segkit.engine.predicting.segmenter import Segmenter

    worst = sorted(rows, key=lambda row: float(row["dice"]))[:FAILURES]
    place = {name: index for index, name in enumerate(prepared.ids)}
    segmenter = Segmenter.from_run(run, fold, "cpu")
    tiles = []
    for row in worst:
        image, truth = prepared.images[place[row["id"]]], prepared.masks[place[row["id"]]]
        drawn = outlined(np.asarray(image), np.asarray(truth), [WHITE])
        found = segmenter.masks(np.asarray(image)[None])[0]
        drawn = outlined(drawn, np.asarray(found), [BLUE])
        tiles.append(np.asarray(Image.fromarray(drawn).resize((SIDE, SIDE))))
    if tiles:
        Image.fromarray(grid(tiles, FAILURES)).save(out / "failures.jpg", quality=80)
    return bool(tiles)


def _text(
    run: Run, fold: FoldDir, facts: dict[str, Any], slices: list[dict[str, Any]], failures: bool
) -> str:
    parts = [_metadata(run, facts), f"# {facts['name']}\n\n{facts['summary']}\n\n{NOTICE}"]
    parts += [_use(facts), _training(run, fold, facts), _scores(facts), _table_of(slices)]
    if failures:
        parts.append(
            "## Where it fails\n\nThe worst test pictures by Dice, not chosen by hand: "
            "truth white, network blue.\n\n![The worst test pictures](failures.jpg)"
        )
    limits = facts["limits"] or ["None were stated: take it as untested outside its own data."]
    parts.append("## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits))
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(run: Run, facts: dict[str, Any]) -> str:
    lines = ["library_name: segkit", "pipeline_tag: image-segmentation"]
    lines += [f"license: {facts['licence'].lower() or 'other'}"]
    lines += [f"datasets: [{run.card.get('name')}]", "tags: [medical, segmentation, light-weight]"]
    lines += ["model-index:", f"- name: {facts['name']}", "  results:"]
    lines += ["  - task: {type: image-segmentation}"]
    lines += [f"    dataset: {{name: {run.card.get('name')}, type: {run.card.get('name')}}}"]
    lines += ["    metrics:"]
    for name, figure in facts["scores"].items():
        lines.append(f"    - {{type: {name}, value: {figure['mean']:.4f}}}")
    return "---\n" + "\n".join(lines) + "\n---"


def _use(facts: dict[str, Any]) -> str:
    task = facts["task"] or "What it was trained for, on pictures like those it was trained on."
    return (
        f"## Use\n\n{task}\n\n```\nsegkit predict {facts['name']} photo.jpg --out masks/\n```\n\n"
        f'```python\nmask, probability = segkit.load("{facts["name"]}")("photo.jpg")\n```'
    )


def _epochs(run: Run, fold: FoldDir) -> str:
    """How many were trained, of how many the recipe wants: a snapshot must not look finished."""
    done, planned = len(fold.history()), run.recipe.train.epochs
    return str(done) if done == planned else f"{done} of {planned} (stopped early)"


def _training(run: Run, fold: FoldDir, facts: dict[str, Any]) -> str:
    recipe, part = run.recipe, run.split.folds[0]
    chosen = "validation" if run.selection == "val" else "test (its score is too good)"
    rows = [
        ("network", f"{facts['architecture']}, {facts['params']:,} parameters"),
        ("data", f"{facts['data']} ({facts['data_licence']})"),
        ("cite", facts["citation"]),
        ("split", facts["split"]),
        ("pictures", f"{len(part.train)} train, {len(part.val)} validation, {len(part.test)} test"),
        ("checkpoint chosen on", chosen),
        ("size", f"{recipe.data.size[0]}×{recipe.data.size[1]}"),
        ("epochs", f"{_epochs(run, fold)}, batch {recipe.train.batch}, `recipe.json`"),
        ("minutes", f"{facts['minutes']} on {run.environment.get('device', '?')}"),
        ("command", f"`{facts['command']}`"),
        ("date", facts["date"]),
        ("licence of the weights", facts["licence"]),
    ]
    return "## Training\n\n" + _markdown(("", ""), rows)


def _scores(facts: dict[str, Any]) -> str:
    rows = []
    for name, figure in facts["scores"].items():
        low, high = figure.get("ci95") or (float("nan"), float("nan"))
        rows.append((name, f"{figure['mean']:.4f}", f"{low:.4f} to {high:.4f}"))
    intro = (
        f"## Scores\n\nOn {facts['pictures']} test pictures that neither trained nor chose it.\n\n"
    )
    return intro + _markdown(("metric", "mean", "95 % interval"), rows)


def _table_of(slices: list[dict[str, Any]]) -> str:
    if not slices:
        return ""
    rows = [(row["feature"], row["slice"], row["n"], f"{row['dice_image']:.3f}") for row in slices]
    return "## By kind of picture\n\n" + _markdown(("kind", "", "pictures", "Dice per image"), rows)


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
