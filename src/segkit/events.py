"""What a command says while it runs: one frozen value per kind of event.

`segkit train --json` prints each as an object: its `kind` under "event", then its fields. The same
keys work on the value itself (`event["loss"]`), so a reader of the JSON lines and a logger plugin
are written alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """One event of a training, a sweep, a plan or a mass prediction."""

    kind: ClassVar[str] = ""

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"event": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}

    def __getitem__(self, key: str) -> Any:
        return self.document()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a field, or `default`, as for a mapping."""
        return self.document().get(key, default)


@dataclass(frozen=True)
class Note(Event):
    """Something worth knowing."""

    kind = "note"
    text: str


@dataclass(frozen=True)
class Warned(Event):
    """Something that is probably wrong."""

    kind = "warning"
    text: str


@dataclass(frozen=True)
class Started(Event):
    """The whole run, before its first fold."""

    kind = "start"
    run: str
    architecture: str
    data: str
    folds: list[list[int]]  # seed and fold of each
    finished: int  # folds that an earlier start has finished
    device: str
    selection: str


@dataclass(frozen=True)
class OfFold(Event):
    """An event of one fold."""

    fold: int
    seed: int


@dataclass(frozen=True)
class FoldNote(OfFold):
    """Something worth knowing of a fold."""

    kind = "note"
    text: str


@dataclass(frozen=True)
class FoldWarned(OfFold):
    """Something that is probably wrong in a fold."""

    kind = "warning"
    text: str


@dataclass(frozen=True)
class FoldStarted(OfFold):
    """A fold begins or goes on."""

    kind = "fold"
    train: int  # pictures
    val: int  # pictures that choose the epoch
    epochs: int
    from_epoch: int
    from_step: int
    parameters: int
    device: str
    precision: str
    resident: bool


@dataclass(frozen=True)
class Stepped(OfFold):
    """One step; not among the JSON lines."""

    kind = "step"
    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class EpochDone(OfFold):
    """An epoch, with its validation scores (none where it was not validated)."""

    kind = "epoch"
    epoch: int
    loss: float
    lr: float
    val: dict[str, float]
    seconds: float
    images_per_s: float
    best: bool
    memory_mb: float


@dataclass(frozen=True)
class FoldDone(OfFold):
    """A fold is trained."""

    kind = "fold_done"
    best_epoch: int
    score: float | None
    select: str
    epochs: int
    stopped_early: bool
    seconds: float
    parameters: int


@dataclass(frozen=True)
class Failed(Event):
    """A fold in another process has failed."""

    kind = "error"
    what: str
    why: str | None
    cure: str | None


@dataclass(frozen=True)
class Done(Event):
    """The run is trained and, where it could be, scored."""

    kind = "done"
    run: str
    summary: dict[str, Any] | None


@dataclass(frozen=True)
class PointStarted(Event):
    """A point of a sweep begins."""

    kind = "point"
    label: str
    number: int
    of: int


@dataclass(frozen=True)
class PointDone(Event):
    """A point of a sweep is trained."""

    kind = "trained"
    run: str
    summary: dict[str, Any] | None


@dataclass(frozen=True)
class SweepDone(Event):
    """All points of a sweep, as its table has them."""

    kind = "done"
    run: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class SearchDone(Event):
    """All trials of a search, judged on the validation part."""

    kind = "done"
    run: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class TaskRow:
    """One task of a plan as it is shown."""

    number: int
    name: str
    state: str
    epochs: int
    score: float | None  # the best validation figure so far
    host: str
    tries: int
    reason: str = ""


@dataclass(frozen=True)
class TaskChanged(TaskRow, Event):
    """A task of a plan, at another place or here, has changed its state or is tried again."""

    kind = "task"
    of: int = field(kw_only=True)


@dataclass(frozen=True)
class PartsListed(Event):
    """The parts of a mass prediction are known: how many pictures, how many of them done."""

    kind = "parts"
    of: int
    done: int


@dataclass(frozen=True)
class Documented(Event):
    """An event whose document is made elsewhere: the document's keys are the event's."""

    facts: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """The kind, then the document's own keys."""
        return {"event": self.kind, **self.facts}


@dataclass(frozen=True)
class PartDone(Documented):
    """A part of a mass prediction is written; its note."""

    kind = "part"


@dataclass(frozen=True)
class MassDone(Documented):
    """Every part is written and put together; its summary."""

    kind = "done"


@dataclass(frozen=True)
class Verdict(Documented):
    """The end of a reproduction; its document."""

    kind = "verdict"
