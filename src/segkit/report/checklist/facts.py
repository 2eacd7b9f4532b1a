"""What a run can say to a checklist: one line a fact, and the file that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segkit.engine import certificate, registration, runfiles
from segkit.engine.runs import Run
from segkit.errors import SegkitError
from segkit.recipe import to_dict

TEXT = (str, None)
SPLIT = {
    "rule": str,
    "seed?": (int, None),
    "counts?": [{"*": int}],
    "notes?": [str],
    **{f"{key}?": TEXT for key in ("source", "group", "hash")},
}
MODEL = {
    "limits?": [str],
    **{f"{key}?": TEXT for key in ("licence", "task", "command", "citation")},
}


@dataclass(frozen=True)
class Fact:
    """What is known, and the file that it came from."""

    text: str
    source: str


@dataclass(frozen=True)
class Files:
    """The documents of a run, each read once; one that is not there is empty."""

    run: Run

    @cached_property
    def recipe(self) -> dict[str, Any]:
        return to_dict(self.run.recipe)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.run.summary or {}

    @cached_property
    def split(self) -> dict[str, Any]:
        return self._optional("split.json", SPLIT)

    @cached_property
    def model(self) -> dict[str, Any]:
        return self._optional("model.json", MODEL)

    def _optional(self, name: str, kind: Any) -> dict[str, Any]:
        file = self.run.path / name
        return runfiles.read_document(file, kind) if file.is_file() else {}


def gather(run: Run) -> dict[str, Fact]:
    """Every fact that the run has, by its key."""
    files = Files(run)
    said = {key: (tell(files), source) for key, (source, tell) in TELLERS.items()}
    return {key: Fact(text, source) for key, (text, source) in said.items() if text}


def _joined(values: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in values.items() if value not in ("", None, [], {}, ())}
    return ", ".join(f"{key} {_short(value)}" for key, value in shown.items())


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _network(files: Files) -> str:
    return f"{files.recipe['architecture']} ({_joined(files.recipe['model'])})"


def _data(files: Files) -> str:
    card = files.run.card
    known = [str(card[key]) for key in ("citation", "page", "licence") if card.get(key)]
    return ", ".join([str(card.get("title") or card["name"]), *known]) if known else ""


def _counts(files: Files) -> str:
    parts = (files.run.card.get("counts") or {}).items()
    return "; ".join(f"{part}: {_joined(many)}" for part, many in parts if isinstance(many, dict))


def _classes(files: Files) -> str:
    return "classes of the masks: " + ", ".join(files.run.card["classes"])


def _preparation(files: Files) -> str:
    data = files.recipe["data"]
    return _joined({key: data[key] for key in ("size", "resize", "colour", "normalise")})


def _partition(files: Files) -> str:
    split = files.split
    if not split:
        return ""
    counts = "; ".join(_joined(fold) for fold in split.get("counts") or [])
    return _joined({key: split.get(key) for key in ("rule", "seed", "hash")}) + f": {counts}"


def _apart(files: Files) -> str:
    group = files.split.get("group")
    return f"kept in one part: {group}" if group else ""


def _software(files: Files) -> str:
    found = files.run.environment
    named = {key: found.get(key) for key in ("segkit", "python", "device")}
    return _joined({**named, **(found.get("versions") or {})})


def _start(files: Files) -> str:
    return f"weights of {init}" if (init := files.recipe["train"]["init"]) else "drawn at random"


def _training(files: Files) -> str:
    recipe = files.recipe
    asked = {
        "optimizer": recipe["optim"]["name"],
        "learning rate": recipe["optim"]["lr"],
        "schedule": recipe["schedule"]["name"],
        "loss": recipe["loss"]["name"],
        "epochs": recipe["train"]["epochs"],
        "batch": recipe["train"]["batch"],
        "augmentation": recipe["data"]["augment"],
        "seed": recipe["train"]["seed"],
    }
    return _joined(asked)


def _selection(files: Files) -> str:
    train = files.recipe["train"]
    warning = ": the reported part chose it" if train["select_on"] == "test" else ""
    return f"best {train['select']} on the {train['select_on']} part{warning}"


def _several(files: Files) -> str:
    found = files.summary
    many = len(found.get("folds") or [])
    return f"trained networks: {many}, test-time augmentation {found.get('tta') or 'none'}" * (
        many > 0
    )


def _metrics(files: Files) -> str:
    return ", ".join(files.summary.get("metrics", {}))


MAIN = ("dice_image", "iou_image", "dice_pooled", "sen_image", "pre_image", "hd95", "nsd")


def _scores(files: Files) -> str:
    found = files.summary.get("metrics", {})
    shown = [f"{key} {_figure(found[key])}" for key in MAIN if key in found]
    return f"{'; '.join(shown)} (n = {files.summary['n']})" if shown else ""


def _figure(figure: dict[str, Any]) -> str:
    mean, ends = figure["mean"], figure.get("ci95") or []
    if mean is None:
        return "not defined"
    known = len(ends) == 2 and None not in ends
    return f"{mean:.4f}" + (f" [{ends[0]:.4f}, {ends[1]:.4f}]" if known else "")


def _interval(files: Files) -> str:
    found = files.summary.get("interval") or {}
    return _joined(found) if found else ""


def _slices(files: Files) -> str:
    return "; ".join(map(_slice, files.summary.get("slices") or []))


def _slice(row: dict[str, Any]) -> str:
    dice = _figure({"mean": row.get("dice_image")})
    return f"{row['feature']} {row['slice']}: Dice {dice} (n {row['n']})"


def _internal(files: Files) -> str:
    return _tested(files, inside=True)


def _external(files: Files) -> str:
    return _tested(files, inside=False)


def _tested(files: Files, inside: bool) -> str:
    found = files.summary
    if not found or (found.get("data") == found.get("trained_on")) is not inside:
        return ""
    own, data = found.get("trained_on"), found.get("data")
    return f"trained on {own}, scored on {found['n']} pictures of {data}"


def _worst(files: Files) -> str:
    rows = files.summary.get("worst") or []
    return "worst pictures by Dice: " + ", ".join(row["id"] for row in rows[:5]) if rows else ""


def _empty(files: Files) -> str:
    return _joined(files.summary.get("empty") or {})


def _calibration(files: Files) -> str:
    found = files.summary.get("calibration") or {}
    return _joined({key: found.get(key) for key in ("ece", "ace", "mce", "brier")})


def _threshold(files: Files) -> str:
    return f"a probability a pixel, mask at {files.recipe['evaluate']['threshold']:g}"


def _registered(files: Files) -> str:
    return registration.statement(files.run)


def _promised(files: Files) -> str:
    found = certificate.find(files.run.path)
    if found is None:
        return ""
    stale = "; it is of other weights" if certificate.stale(found, files.run.path) else ""
    asked = found.document
    return f"margins at alpha {asked['alpha']:g}, delta {asked['delta']:g}{stale}"


def _command(files: Files) -> str:
    return str(files.run.environment.get("command") or "")


def _notes(files: Files) -> str:
    return "; ".join(files.summary.get("notes") or [])


def _missing(files: Files) -> str:
    rows = [row for fold in files.run.folds for row in _rows(fold.cases_csv)]
    return (
        f"{len(rows)} rows of scored pictures, of which {_blank(rows)} lack a Dice" if rows else ""
    )


def _rows(file: Path) -> list[dict[str, str]]:
    return runfiles.read_table(file, ("id", "dice")) if file.is_file() else []


def _blank(rows: list[dict[str, str]]) -> int:
    return sum(row["dice"] in ("", "nan") for row in rows)


def _structure(files: Files) -> list[Any]:
    """What the masks of the prepared set are like; nothing where the set is not at hand."""
    from segkit.data.store import open_prepared
    from segkit.metrics.advising.facts import measure

    try:
        prepared = open_prepared(Path(files.run.card.get("root") or ""))
    except SegkitError:
        return []
    return [one for one in measure(prepared.masks, prepared.classes) if one.empty < 1.0]


def of_masks(run: Run) -> dict[str, Fact]:
    """The facts that only the masks tell, for the form that asks for them."""
    found = _structure(Files(run))
    source = f"{Path(run.card.get('root') or '').name}/masks.npy"
    return {
        key: Fact("; ".join(f"{one.structure}: {tell(one)}" for one in found), source)
        for key, tell in OF_MASKS.items()
        if found
    }


OF_MASKS: dict[str, Callable[[Any], str]] = {
    "rim": lambda one: f"an outline one pixel inside costs {100 * one.rim:.1f} points of Dice",
    "sizes": lambda one: f"the largest tenth of the parts is {one.sizes:.0f} times the smallest",
    "tubes": lambda one: f"length over width of a part {one.elongation:.3g}",
    "objects": lambda one: f"{one.objects:g} separate parts a picture (median)",
    "absent": lambda one: f"{100 * one.empty:.0f} % of the pictures without it",
}
TELLERS: dict[str, tuple[str, Callable[[Files], str]]] = {
    "network": ("recipe.json", _network),
    "data": ("data.json", _data),
    "counts": ("data.json", _counts),
    "classes": ("data.json", _classes),
    "preparation": ("recipe.json", _preparation),
    "partition": ("split.json", _partition),
    "apart": ("split.json", _apart),
    "software": ("environment.json", _software),
    "start": ("recipe.json", _start),
    "training": ("recipe.json", _training),
    "selection": ("recipe.json", _selection),
    "several": ("summary.json", _several),
    "metrics": ("summary.json", _metrics),
    "scores": ("summary.json", _scores),
    "interval": ("summary.json", _interval),
    "slices": ("summary.json", _slices),
    "internal": ("summary.json", _internal),
    "external": ("summary.json", _external),
    "worst": ("summary.json", _worst),
    "empty": ("summary.json", _empty),
    "calibration": ("summary.json", _calibration),
    "notes": ("summary.json", _notes),
    "threshold": ("recipe.json", _threshold),
    "registered": (registration.FILE, _registered),
    "certificate": (certificate.FILE, _promised),
    "command": ("environment.json", _command),
    "cases": ("cases.csv", _missing),
    "limits": ("model.json", lambda files: " ".join(files.model.get("limits") or [])),
    "licence": ("model.json", lambda files: str(files.model.get("licence") or "")),
    "task": ("model.json", lambda files: str(files.model.get("task") or "")),
}
