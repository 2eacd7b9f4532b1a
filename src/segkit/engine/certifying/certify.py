"""`certify`: split the pictures, measure them, write what may be promised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segkit import __version__, paths
from segkit.engine import certificate, register
from segkit.engine.certifying import doubting, promises
from segkit.engine.certifying.gather import MeasuredPart, gather
from segkit.engine.evaluating.settings import Evaluation, EvaluationSettings, prepare_evaluation
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.runs import open_run
from segkit.errors import SegkitError, UsageError
from segkit.metrics.conformal import margins, shift, signs

FIT = 0.5  # of the pictures before the test: the estimate of Dice, the size groups, the scales


@dataclass(frozen=True)
class CertificateSettings:
    """The levels to promise (alpha, delta), and the pictures to calibrate on."""

    alpha: float = 0.1  # share of the truth that may be missed, of the core that may be false
    delta: float = 0.1  # share of pictures for which the per-picture promise may fail
    data: str | None = None  # None: the run's own
    fold: int | None = None
    tta: str | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("alpha", "delta"):
            if not 0 < getattr(self, name) < 0.5:
                raise UsageError(f"--{name} is {getattr(self, name)}", "between 0 and 0.5")

    @property
    def least(self) -> int:
        """Calibration pictures without which nothing finite can be promised."""
        return margins.least_pictures(min(self.alpha, self.delta))


def certify(model: Path | str, wanted: CertificateSettings, progress: Any = None) -> dict[str, Any]:
    """The certificate of a run or trained network; nothing is written."""
    evaluation = prepare_evaluation(open_run(model), _settings(model, wanted))
    fold = _fold(evaluation, wanted)
    fit_ids, own_ids, test_ids = _parts(evaluation, fold, wanted)
    _check_enough(evaluation, own_ids, wanted)
    segmenter = load_segmenter(model, fold=fold, device=wanted.device, tta=wanted.tta)
    if progress is not None:
        progress.total(len(fit_ids) + len(own_ids) + len(test_ids))

    def measured(ids: list[str]) -> MeasuredPart:
        return gather(
            segmenter, evaluation.prepared, ids, evaluation.classes, evaluation.groups, progress
        )

    made = _head(model, evaluation, wanted, segmenter)
    fit, own, test = measured(fit_ids), measured(own_ids), measured(test_ids)
    return {
        **made,
        **_promised(evaluation, fit, own, test, wanted),
        "notes": _notes(evaluation, wanted),
    }


def _promised(
    evaluation: Evaluation,
    fit: MeasuredPart,
    own: MeasuredPart,
    test: MeasuredPart,
    wanted: CertificateSettings,
) -> dict[str, Any]:
    scale = margins.radii(evaluation.prepared.size)
    levels = (scale, wanted.alpha, wanted.delta)
    groups = promises.size_groups(fit)
    rows = promises.margin_rows(own, groups, *levels)
    made = {
        "pictures": {"fit": len(fit), "calibration": len(own), "test": len(test)},
        "ids": {"fit": list(fit.ids), "calibration": list(own.ids)},
        "groups": groups,
        "margins": rows,
        "coverage": promises.coverage_rows(test, groups, rows, *levels),
        "shift": _signs(fit, own),
        **doubting.document(fit, own, test, wanted.delta),
    }
    if len(test) >= shift.LEAST_BATCH:
        shown = certificate.Certificate({**made, "alpha": wanted.alpha}).likeness(test.signs)
        made["shift"]["test_part"] = {"p": shown.together, "moved": shown.moved}
    return made


def _settings(model: Path | str, wanted: CertificateSettings) -> EvaluationSettings:
    own = wanted.data in (None, open_run(model).card["name"])
    return EvaluationSettings(
        wanted.data, "val" if own else "all", device=wanted.device, save=False
    )


def _fold(evaluation: Evaluation, wanted: CertificateSettings) -> Any:
    """The network that is certified: the only one, the one named, or all on foreign pictures."""
    if wanted.fold is not None:
        return evaluation.run.fold(wanted.fold).index
    if len(evaluation.folds) == 1 or not evaluation.own:
        return "all"
    raise UsageError(
        f"{evaluation.run.path} has {len(evaluation.folds)} networks",
        "together they have seen every picture of their own set",
        "Certify one of them with --fold N, or all on another set with --data NAME.",
    )


def _parts(
    evaluation: Evaluation, fold: Any, wanted: CertificateSettings
) -> tuple[list[str], list[str], list[str]]:
    """Ids to fit on, to calibrate on, to check on; what belongs together stays together."""
    one = evaluation.folds[0] if fold == "all" else evaluation.run.fold(fold)
    if evaluation.own:
        fit, own = _halves(evaluation, evaluation.ids(one, "val"), FIT, wanted.seed)
        return fit, _singles(evaluation, own, wanted.seed), evaluation.ids(one, "test")
    before, test = _halves(evaluation, evaluation.ids(one, "all"), 0.5, wanted.seed)
    fit, own = _halves(evaluation, before, FIT, wanted.seed + 1)
    return fit, _singles(evaluation, own, wanted.seed), test


def _halves(
    evaluation: Evaluation, ids: list[str], share: float, seed: int
) -> tuple[list[str], list[str]]:
    """A random share and the rest, by groups."""
    groups = sorted({evaluation.groups.get(name, name) for name in ids})
    order = np.random.default_rng(seed).permutation(len(groups))
    first = {groups[i] for i in order[: int(share * len(groups))]}
    inside = [evaluation.groups.get(name, name) in first for name in ids]
    return (
        [name for name, chosen in zip(ids, inside, strict=True) if chosen],
        [name for name, chosen in zip(ids, inside, strict=True) if not chosen],
    )


def _singles(evaluation: Evaluation, ids: list[str], seed: int) -> list[str]:
    """One picture of each group: pictures of one patient are not exchangeable with new ones."""
    shuffled = np.random.default_rng(seed + 2).permutation(sorted(ids))
    one = {evaluation.groups.get(str(name), str(name)): str(name) for name in shuffled}
    kept = set(one.values())
    return [name for name in ids if name in kept]


def _check_enough(evaluation: Evaluation, own: list[str], wanted: CertificateSettings) -> None:
    if len(own) >= wanted.least:
        return
    part = "validation part" if evaluation.own else f"half of {evaluation.prepared.name}"
    raise SegkitError(
        f"{len(own)} pictures are too few to calibrate on",
        f"alpha {wanted.alpha:g} and delta {wanted.delta:g} need at least {wanted.least} in the "
        f"calibration half of the {part}, so {2 * wanted.least} in all",
        "Promise less (a larger --alpha and --delta), or bring more pictures: --data NAME.",
    )


def _head(
    model: Path | str, evaluation: Evaluation, wanted: CertificateSettings, segmenter: Any
) -> dict[str, Any]:
    return {
        "format": certificate.FORMAT,
        "segkit": __version__,
        "model": str(model),
        "architecture": evaluation.run.recipe.architecture,
        "data": evaluation.prepared.name,
        "trained_on": evaluation.run.card["name"],
        "selection": evaluation.run.selection,
        "fold": wanted.fold,
        "alpha": wanted.alpha,
        "delta": wanted.delta,
        "classes": list(evaluation.classes),
        "size": list(segmenter.size),
        "resize": segmenter.resize,
        "threshold": segmenter.threshold,
        "tta": segmenter.tta,
        "unit": f"pixels of the {segmenter.size[0]}×{segmenter.size[1]} grid",
        "weights": certificate.weights_hash(model),
        "seed": wanted.seed,
    }


def _signs(fit: MeasuredPart, own: MeasuredPart) -> dict[str, Any]:
    scale = shift.SignScale.of(signs.table(fit.signs, signs.SHIFT))
    table = signs.table(own.signs, signs.SHIFT)
    return {
        "names": list(signs.SHIFT),
        "centre": scale.centre.tolist(),
        "spread": scale.spread.tolist(),
        "calibration": np.round(table, 5).tolist(),
    }


def _notes(evaluation: Evaluation, wanted: CertificateSettings) -> list[str]:
    notes = list(evaluation.notes)
    if evaluation.own:
        notes.append(
            "calibrated on a half of the validation part, which also chose the checkpoint: a "
            "slight optimism is possible; the coverage on the test part shows what is left of it"
        )
    return notes


def place_for(model: Path | str, out: Path | None) -> Path:
    """Where the certificate goes: the run, or --out; a trained network's folder is not ours."""
    if out is not None:
        return out if out.suffix == ".json" else out / certificate.FILE
    if register.is_name(model):
        raise UsageError(
            f"'{model}' is a trained network: nothing is written into its package",
            None,
            "Say where the certificate goes: --out FOLDER",
        )
    return Path(model) / certificate.FILE


def save(document: dict[str, Any], path: Path) -> Path:
    """Write the certificate whole or not at all."""
    return paths.write_json(path, _plain(document))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
