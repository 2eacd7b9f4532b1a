"""From a finished run to a trained network that others use by name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine import register
from segkit.engine.exporting.export import ExportOptions, export, report_path
from segkit.engine.exporting.subject import of_run
from segkit.engine.models import model_card
from segkit.engine.runs import FoldDir, Run, open_run
from segkit.errors import SegkitError, UsageError

HANDED_ON = ("recipe.json", "split.json", "summary.json")
HEADLINE = ("dice_image", "iou_image", "dice_pooled", "iou_pooled", "hd95", "nsd")
KEPT = ("segkit", "python", "versions", "device", "threads", "backend", "started", "plan")


@dataclass(frozen=True)
class PackSettings:
    """What only a person knows of the network."""

    name: str
    summary: str = ""
    task: str = ""
    licence: str = ""
    command: str = ""
    limits: tuple[str, ...] = ()
    precision: str = "float32"
    fold: int = 0
    example: Path | None = None  # a picture to try it on, free to be handed on


def pack(source: Path, out: Path, settings: PackSettings) -> dict[str, Any]:
    """Write the folder `out`; the content of its `model.json` is returned."""
    run = open_run(source)
    if run.summary is None:
        raise SegkitError(
            f"{source} has no scores", "a trained network says what it can do", _cure(source)
        )
    if out.exists() and any(out.iterdir()):
        raise SegkitError(f"{out} is not empty", None, "Choose another --out.")
    if settings.example is not None and not settings.example.is_file():
        raise UsageError(f"the example {settings.example} is missing")
    fold = run.fold(settings.fold)
    out.mkdir(parents=True, exist_ok=True)
    _copy(run, fold, out)
    _graph(run, settings, out)
    if settings.example is not None:
        shutil.copyfile(settings.example, out / f"{register.EXAMPLE}{settings.example.suffix}")
    facts = _facts(run, fold, settings)
    facts["files"] = {name: paths.sha256(out / name) for name in _files(out)}
    paths.write_json(out / "model.json", facts)
    model_card.write(run, fold, facts, out)
    return facts


def _copy(run: Run, fold: FoldDir, out: Path) -> None:
    """What a reader of runs needs, without the paths and names of this machine."""
    for name in HANDED_ON:
        shutil.copyfile(run.path / name, out / name)
    card_of_data = {key: value for key, value in run.card.items() if key != "root"}
    paths.write_json(out / "data.json", card_of_data)
    kept = {key: run.environment[key] for key in KEPT if key in run.environment}
    kept["plan"] = {"seeds": [fold.seed], "folds": [0]}
    paths.write_json(out / "environment.json", kept)
    target = out / "fold0"
    target.mkdir()
    for file in (fold.best, fold.result_json, fold.metrics_csv, fold.cases_csv):
        if file.is_file():
            shutil.copyfile(file, target / file.name)
    summary = paths.read_json(out / "summary.json")
    paths.write_json(out / "summary.json", summary | {"run": "."})


def _graph(run: Run, settings: PackSettings, out: Path) -> None:
    """The same network for ONNX Runtime, compared with it before it is kept."""
    target = out / register.GRAPH
    export(of_run(run, settings.fold, None, 8), "onnx", target, ExportOptions(settings.precision))
    report = report_path(target)
    paths.write_json(report, paths.read_json(report) | {"file": register.GRAPH})


def _files(out: Path) -> list[str]:
    found = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    return sorted(name for name in found if name != "model.json")


def _facts(run: Run, fold: FoldDir, settings: PackSettings) -> dict[str, Any]:
    recipe, data = run.recipe, run.card
    rows = fold.history()
    scores = (run.summary or {})["metrics"]
    return {
        "name": settings.name,
        "summary": settings.summary or f"{recipe.architecture} trained on {data.get('title', '')}",
        "architecture": recipe.architecture,
        "task": settings.task,
        "params": sum(p.numel() for p in run.load_model(fold).parameters()),
        "licence": settings.licence,
        "data": str(data.get("title") or data.get("name")),
        "data_licence": str(data.get("licence", "")),
        "citation": str(data.get("citation", "")),
        "split": f"{run.split.rule}, seed {recipe.data.split_seed}, hash {run.split.hash}",
        "recipe": "recipe.json",
        "command": settings.command
        or f"segkit train {recipe.architecture} --recipe {settings.name} --seed {fold.seed}",
        "date": str(run.environment.get("started", ""))[:10],
        "minutes": round(sum(row.get("seconds", 0.0) for row in rows) / 60, 1),
        "scores": {
            name: {key: scores[name][key] for key in ("mean", "ci95") if key in scores[name]}
            for name in HEADLINE
            if name in scores
        },
        "pictures": int((run.summary or {})["n"]),
        "limits": list(settings.limits),
        "address": "",
        "format": register.FORMAT,
    }


def _cure(source: Path) -> str:
    return f"Score it first: segkit evaluate {source}"
