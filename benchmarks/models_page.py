"""docs/models.md from the trained networks that are installed, and from benchmarks/models.json.

python -m benchmarks.models_page      # the page alone; benchmarks.train_models writes both
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segkit import paths, plugins

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
CANDIDATES = Path(__file__).parent / "models.json"
HEAD = """# Trained networks

Networks in the box, by name wherever a run may stand: [`segkit models`](commands/models.md).
Not medical devices. `python -m benchmarks.models_page` writes this page from their own facts, and
from those of all candidates (`python -m benchmarks.train_models` trains and scores them).

"""
TAIL = """
Scores are means over test pictures that neither trained a network nor chose its checkpoint, with
95 % intervals over pictures; they say nothing of the spread between seeds. Which epochs were run,
the scores by kind of picture and the worst pictures stand on the cards: `segkit models info NAME`.
"""
WORDS = """
## All candidates

Every run there is, finished or not, on the test pictures of its task. `tie` groups runs that a
paired permutation test does not tell apart (Holm over all pairs of the task, 5 %). Minutes are of
the training, on one thread of a machine that others worked on too: an upper bound. CPU ms is the
processor time of one picture in PyTorch, one thread, median of nine.
"""
CHOSEN = """
A run that stopped early says what its network scores so far, not what it can. A shipped network
without finished rivals in its table is a good one, not the best of several.
"""
PROTOCOL = """
What differs from the published rows: their papers choose the checkpoint, as their public code
does, on the pictures that they report; ours is chosen on validation pictures. Their split of the
2000 pictures is another draw, and their figures are pooled over pixels or undecided, ours a mean
over pictures. A row that has not run its 300 epochs is not a reproduction.
"""
LEFT = """
## What has not been done

{}
"""


def page() -> str:
    """The Markdown of the page."""
    heads = ("name", "network", "parameters", "trained on", "test pictures")
    heads += ("Dice per image", "IoU per image", "HD95", "minutes")
    rows, commands = [], []
    for name in plugins.names("models"):
        model = plugins.get("models", name)
        if not model.package.startswith("segkit_"):
            continue
        cells = (f"`{name}`", model.architecture, f"{model.params:,}", model.data, model.pictures)
        scores = [_score(model.scores, key) for key in ("dice_image", "iou_image", "hd95")]
        rows.append((*cells, *scores, model.minutes))
        commands.append(f"{model.command}   # split: {model.split}")
    again = "\n## The same training again\n\n```\n" + "\n".join(commands) + "\n```\n"
    kept = paths.read_json(CANDIDATES) if CANDIDATES.is_file() else {"tasks": [], "missing": []}
    made = candidates(kept["tasks"], kept["missing"])
    return HEAD + table(heads, rows) + TAIL + made + again


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def candidates(tasks: Sequence[dict[str, Any]], missing: Sequence[str]) -> str:
    """The tables of all runs, task by task, and what is missing of them."""
    if not tasks:
        return ""
    lines = _left(tasks)
    if missing:
        lines.append(f"- Planned in benchmarks/models.toml, not begun: {', '.join(missing)}.")
    return WORDS + "".join(map(_task, tasks)) + CHOSEN + LEFT.format("\n".join(lines))


def _task(task: dict[str, Any]) -> str:
    heads = ("run", "network", "seed", "epochs", "Dice per image", "tie", "parameters", "minutes")
    rows = [_run(row) for row in task["rows"]]
    parts = [f"\n### {task['title']}\n\n", table((*heads, "CPU ms"), rows)]
    if task["published"]:
        named = [(row["name"], _shares(row["scores"]), row["source"]) for row in task["published"]]
        parts += ["\n", table(("published", "as printed", "source"), named), PROTOCOL]
    if task["gains"]:
        heads = ("what", "run", "without", "with", "difference", "p (Holm)")
        parts += ["\n", table(heads, map(_gain, task["gains"]))]
    return "".join(parts)


def _run(row: dict[str, Any]) -> tuple[Any, ...]:
    low, high = row["ci95"]
    epochs = str(row["epochs"]) + (
        f" of {row['planned']}" if row["epochs"] < row["planned"] else ""
    )
    taught = f", taught by `{row['teacher']}`" if row["teacher"] else ""
    score = f"{row['dice']:.3f} ({low:.3f} to {high:.3f})"
    about = (f"{row['name']}{taught}", row["network"], row["seed"], epochs, score)
    cost = (row.get("tie_group", ""), f"{row['params']:,}", row["minutes"], row["cpu_ms"])
    return (*about, *cost)


def _shares(scores: dict[str, float | None]) -> str:
    return ", ".join(f"{key} {value:.3f}" for key, value in scores.items() if value is not None)


def _gain(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["ci95"]
    apart = f"{row['gain']:+.4f} ({low:+.4f} to {high:+.4f})"
    before, after = f"{row['without']:.4f}", f"{row['with']:.4f}"
    p = "< 0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}"
    return row["what"], row["run"], before, after, apart, p


def _left(tasks: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for task in tasks:
        short = [row for row in task["rows"] if row["epochs"] < row["planned"]]
        lines += [
            f"- {task['title'].split(' (')[0]}: {row['name']} was stopped after {row['epochs']} of "
            f"{row['planned']} epochs."
            for row in short
        ]
        if len({row["seed"] for row in task["rows"]}) < 2:
            lines.append(f"- {task['title'].split(' (')[0]}: no second seed.")
    return lines


def _score(scores: object, key: str) -> str:
    figure = scores[key]  # type: ignore[index]
    digits = 1 if key == "hd95" else 3
    low, high = figure["ci95"]
    return f"{figure['mean']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
