"""Trackers of training events behind one small contract: `log(event)` and `close()`.

A logger plugin's `make(run_folder, settings)` gives such an object; settings holds the recipe. The
events are those of `segkit.events`, as `segkit train --json` prints them. Files (`metrics.csv`) are
always written, without any.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from segkit.api import Logger
from segkit.events import Done, EpochDone, Event
from segkit.recipe import to_dict


class Tracker(Protocol):
    """What a logger makes."""

    def log(self, event: Event) -> None:
        """One event; unknown kinds are to be ignored."""

    def close(self) -> None:
        """The run has ended."""


def figures(event: EpochDone) -> dict[str, float]:
    """The numbers of an epoch under the names that trackers show, prefixed by fold and seed."""
    place = f"seed{event.seed}/fold{event.fold}" if event.seed else f"fold{event.fold}"
    plain = {key: event[key] for key in ("loss", "lr", "images_per_s", "seconds")}
    scores = {f"val_{key}": value for key, value in event.val.items()}
    return {f"{place}/{key}": float(value) for key, value in {**plain, **scores}.items()}


def scores(event: Done) -> dict[str, float]:
    """The test figures of a finished run."""
    metrics = (event.summary or {}).get("metrics", {})
    return {f"test/{name}": float(item["mean"]) for name, item in metrics.items()}


class TensorBoard:
    """Event files in `run/tensorboard`."""

    def __init__(self, folder: Path, settings: dict[str, Any]):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            for name, value in figures(event).items():
                self.writer.add_scalar(name, value, event.epoch)
            self.writer.flush()
        elif isinstance(event, Done):
            for name, value in scores(event).items():
                self.writer.add_scalar(name, value)

    def close(self) -> None:
        self.writer.close()


class MLflow:
    """A run of the experiment `segkit` in `$MLFLOW_TRACKING_URI` (default: run/mlruns)."""

    def __init__(self, folder: Path, settings: dict[str, Any]):
        import mlflow

        self.mlflow = mlflow
        if "MLFLOW_TRACKING_URI" not in os.environ:
            mlflow.set_tracking_uri((folder / "mlruns").absolute().as_uri())
        mlflow.set_experiment("segkit")
        mlflow.start_run(run_name=folder.name)
        mlflow.log_params(flat(to_dict(settings["recipe"])))

    def log(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.mlflow.log_metrics(figures(event), step=event.epoch)
        elif isinstance(event, Done):
            self.mlflow.log_metrics(scores(event))

    def close(self) -> None:
        self.mlflow.end_run()


class WeightsAndBiases:
    """A run of the project `segkit` (or `$WANDB_PROJECT`)."""

    def __init__(self, folder: Path, settings: dict[str, Any]):
        import wandb

        project = os.environ.get("WANDB_PROJECT", "segkit")
        config = to_dict(settings["recipe"])
        self.run = wandb.init(project=project, name=folder.name, dir=str(folder), config=config)

    def log(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.run.log({**figures(event), "epoch": event.epoch})
        elif isinstance(event, Done):
            self.run.summary.update(scores(event))

    def close(self) -> None:
        self.run.finish()


def flat(settings: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Nested settings under dotted keys."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        dotted = f"{path}.{key}" if path else key
        found |= flat(value, dotted) if isinstance(value, dict) else {dotted: value}
    return found


HERE = "segkit.engine.training.loggers"
TENSORBOARD = Logger(
    "tensorboard",
    "Event files in the run folder.",
    f"{HERE}:TensorBoard",
    requires=("tensorboard",),
)
MLFLOW = Logger("mlflow", "An MLflow run, local or remote.", f"{HERE}:MLflow", requires=("mlflow",))
WANDB = Logger("wandb", "A Weights & Biases run.", f"{HERE}:WeightsAndBiases", requires=("wandb",))
