"""What a run is scored on, and how: the settings of an evaluation, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from segkit import plugins
from segkit.data.preparing.prepare import ensure_prepared
from segkit.data.sources import all_names
from segkit.data.sources import dataset as describe_dataset
from segkit.data.splitting.groups import groups_of
from segkit.data.splitting.protocols import protocol as protocol_named
from segkit.data.store import PreparedSet, open_prepared
from segkit.engine import registration
from segkit.engine.evaluating.cases import BATCH, MeasurementPlan
from segkit.engine.evaluating.seen import warning as seen_in_training
from segkit.engine.runs import FoldDir, Run
from segkit.errors import SegkitError, UsageError, check_choice, unknown
from segkit.metrics import cases
from segkit.metrics.definitions import TOOLS
from segkit.metrics.protocols import CONVENTIONS

PARTS = ("train", "val", "test")
EXTRA_OF = {  # by the dataset's modality
    "fundus": ("cldice", "betti", "ranking"),
    "microscopy": ("objects",),
    "endoscopy": ("components",),
    "ultrasound": ("components",),
    "dermoscopy": ("skin_tone",),
}


@dataclass(frozen=True)
class EvaluationSettings:
    """How a run is scored."""

    data: str | None = None  # None: the run's own
    split: str = "test"
    at: str = "prepared"
    tta: str = "none"
    ensemble: bool = False
    protocol: str | None = None
    device: str = "auto"
    engine: str = "auto"  # of the surface distances
    tolerance: float = 2.0
    extras: tuple[str, ...] | None = None  # None: by the kind of pictures
    spacing: tuple[float, float] | None = None  # mm between rows and columns of the originals
    tune: bool = False
    batch: int = BATCH
    resamples: int = 2000
    interval: str = "bca"
    save: bool = True


@dataclass
class Evaluation:
    """A run, the pictures it is scored on, and how."""

    run: Run
    prepared: PreparedSet
    settings: EvaluationSettings
    own: bool
    scoring: tuple[str, ...] | None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def groups(self) -> dict[str, str]:
        """Pictures that belong together: patients, tiles of a field, copies."""
        return groups_of(self.prepared, None)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are scored one by one: those that run and set have in common."""
        same = len(self.run.card["classes"]) == len(self.prepared.classes)
        return self.prepared.classes if same else (*self.prepared.classes[:1], "foreground")

    @property
    def base_tta(self) -> str:
        """The augmentation that belongs to the run's recipe."""
        return self.run.recipe.evaluate.tta

    @property
    def split(self) -> str:
        """Which part is scored; a foreign dataset is scored whole unless a part is named."""
        return "all" if not self.own and self.settings.split == "test" else self.settings.split

    @property
    def folds(self) -> list[FoldDir]:
        """The folds that have a checkpoint."""
        found = [fold for fold in self.run.folds if fold.best.is_file()]
        if not found:
            raise SegkitError(f"{self.run.path} cannot be scored", "no fold has a checkpoint yet")
        return found

    def ids(self, fold: FoldDir, part: str | None = None) -> list[str]:
        """The pictures that a fold is scored on."""
        part = part or self.split
        if self.own:
            return list(getattr(self.run.split.folds[fold.index], part))
        items = self.prepared.items
        return [item["id"] for item in items if part == "all" or item.get("part") == part]

    def plan(self) -> MeasurementPlan:
        """The measurement plan of this evaluation."""
        s = self.settings
        wanted = cases.Wanted(
            tolerance=s.tolerance,
            engine=s.engine,  # type: ignore[arg-type]
            extras=_extras(self.prepared.name) if s.extras is None else s.extras,
            classes=self.classes,
            evidence=self.scoring is not None,
            tools=self.scoring is not None and (not self.scoring or self.scoring[0] in TOOLS),
            spacing=s.spacing,
        )
        wants_original = self.scoring is not None and self.scoring in ((), ("original",))
        return MeasurementPlan(
            wanted, s.at, s.batch, wants_original and s.at == "prepared", self.groups
        )


def prepare_evaluation(run: Run, settings: EvaluationSettings) -> Evaluation:
    """The evaluation of an evaluation, or an error that says what cannot be scored."""
    check_choice("--at", settings.at, ("prepared", "original"))
    check_choice("--split", settings.split, (*PARTS, "all"))
    check_choice("--tta", settings.tta, ("none", "flips", "d4"))
    check_choice("--engine", settings.engine, ("auto", "native", "python", "medpy", "device"))
    check_choice("--interval", settings.interval, ("bca", "percentile"))
    strangers = [name for name in settings.extras or () if name not in cases.EXTRAS]
    if strangers:
        raise unknown("costly metric", strangers[0], cases.EXTRAS)
    if settings.tolerance < 0:
        raise UsageError(f"--tolerance is {settings.tolerance}", "not below 0")
    if settings.spacing and min(settings.spacing) <= 0:
        raise UsageError(f"--spacing is {settings.spacing}", "millimetres, above 0")
    own_name = run.card["name"]
    own = settings.data in (None, own_name)
    if own and settings.split == "all":
        raise UsageError("--split all holds pictures that the run was trained on")
    prepared = _own_set(run) if own else _other_set(run, str(settings.data))
    evaluation = Evaluation(run, prepared, settings, own, _scoring(run, settings.protocol))
    _check(evaluation)
    return evaluation


def _own_set(run: Run) -> PreparedSet:
    """The prepared set that the run was trained on, made again if it is gone."""
    root = Path(run.card.get("root") or "")
    if run.card.get("root") and (root / "manifest.json").is_file():
        return open_prepared(root)
    recipe = replace(run.recipe.data, name=run.card["name"])
    return open_prepared(ensure_prepared(recipe.name, recipe))


def _other_set(run: Run, name: str) -> PreparedSet:
    """Another dataset, prepared as the run's own (size and resizing)."""
    recipe = replace(run.recipe.data, name=name, variant="original")
    return open_prepared(ensure_prepared(name, recipe))


def _scoring(run: Run, protocol: str | None) -> tuple[str, ...] | None:
    """The conventions to show: all (), the one named, or the one of the run's own protocol."""
    name = protocol or run.recipe.data.protocol
    if name is None:
        return None
    if name == "all":
        return ()
    if name in CONVENTIONS:
        return (name,)
    names = plugins.names("protocols")
    if name in names:
        return (protocol_named(name).scoring,)
    raise unknown("protocol", name, dict.fromkeys([*CONVENTIONS, *names, "all"]))


def _check(evaluation: Evaluation) -> None:
    """Refuse what cannot be scored; note what a reader must know."""
    run, prepared = evaluation.run, evaluation.prepared
    if evaluation.own and run.card.get("hash") not in (None, prepared.manifest.get("hash")):
        evaluation.notes.append("the prepared set has changed since the run was trained")
    trained = tuple(run.card["classes"])
    if len(trained) != len(prepared.classes):
        evaluation.notes.append(
            f"the run knows {len(trained)} classes, {prepared.name} has {len(prepared.classes)}: "
            "only foreground against background is comparable"
        )
    said = registration.statement(run)
    evaluation.notes += [said] if said else []
    if run.selection == "test" and evaluation.own:
        evaluation.notes.append("the checkpoint was chosen on the reported part (selection: test)")
    if not any(evaluation.ids(fold) for fold in evaluation.folds):
        raise SegkitError(
            f"there is nothing to score in part '{evaluation.split}' of {prepared.name}"
        )
    if evaluation.settings.ensemble:
        _check_ensemble(evaluation)
    if evaluation.settings.tune and not (evaluation.own and evaluation.split == "test"):
        raise UsageError(
            "--tune chooses on the run's validation part and reports on its test part",
            f"the scored part is '{evaluation.split}' of {prepared.name}",
            "Leave --split and --data out.",
        )
    if not evaluation.own:
        seen = seen_in_training(run, prepared, evaluation.ids(evaluation.folds[0]))
        evaluation.notes += [seen] if seen else []


def _check_ensemble(evaluation: Evaluation) -> None:
    """Several networks, and pictures that none of them was trained on."""
    if len(evaluation.folds) < 2:
        raise UsageError("--ensemble needs a run with several folds or seeds")
    ids = evaluation.ids(evaluation.folds[0])
    trained = {n for fold in evaluation.run.split.folds for n in (*fold.train, *fold.val)}
    if evaluation.own and trained & set(ids):
        raise UsageError(
            "an ensemble of folds cannot be scored on its own cross-validation set",
            "each picture was trained on by other folds",
            "Score it on another set: --data NAME --ensemble.",
        )


def _extras(name: str) -> tuple[str, ...]:
    """The costly scores that pictures of this kind need; a set that nobody describes needs none."""
    known = name in all_names()
    return EXTRA_OF.get(describe_dataset(name).modality, ()) if known else ()
