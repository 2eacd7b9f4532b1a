"""`segkit sweep --search N`: settings that Optuna proposes, judged on the validation part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.cli import _console as console
from segkit.cli import _launching

if TYPE_CHECKING:
    from segkit.engine.training.request import Request
    from segkit.events import SearchDone


def search(
    made: Request,
    grid: list[str],
    count: int,
    folder: Path,
    options: dict[str, Any],
    where: tuple[str, Path | None, Path | None, bool],
) -> None:
    """Trials that Optuna proposes, here or elsewhere."""
    from segkit.engine.experiments import search as searches

    on, cluster, emit, json = where
    for text in made.notes:
        console.note(text)
    searches.require()
    axes = searches.axes_of(grid)
    searches.corners(axes, made.recipe)
    from segkit.cli import _training
    from segkit.engine.experiments import trials
    from segkit.engine.launching import tasks
    from segkit.engine.training.crossval import TrainingOptions
    from segkit.events import SearchDone

    asked = TrainingOptions(**options)
    trials.refuse_test(made.recipe, asked, console.note)
    searches.begin(axes, made.recipe, count, folder, asked.resume)

    def show(last: SearchDone) -> None:
        console.emit_json_line(last.document()) if json else _show_trials(last)

    if _launching.away(on, emit):
        plan = tasks.of_search(folder, asked, _launching.place(on, cluster))

        def ended(plan: Any) -> None:
            show(SearchDone(plan.out, trials.collect(Path(plan.out))))

        _launching.launch(plan, asked.resume, emit, json, ended)
        return
    last = _training.follow(trials.run_search(folder, asked), json)
    if isinstance(last, SearchDone) and not json:
        _show_trials(last)


def _show_trials(last: SearchDone) -> None:
    """The trials, best first; how many there were stands in the title."""
    rows = sorted(last.rows, key=lambda row: -(row["value"] or 0.0))
    cells = [
        [
            str(row["trial"]),
            row["state"],
            "" if row["value"] is None else f"{row['value']:.4f}",
            str(row["epochs"]),
            " ".join(
                f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                for key, value in row["params"].items()
            ),
        ]
        for row in rows
    ]
    states = [row["state"] for row in rows]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    title = f"{last.run}: {len(rows)} trials ({counts}), judged on the validation part"
    columns = ["trial", "state", "validation", "epochs", "settings"]
    console.table(columns, cells, title, right=("trial", "validation", "epochs"))
    console.note(f"the best settings: {last.run}/best.json; all trials: {last.run}/results.md")
