"""What one fold is made of: its job, its parts, and how far it has come."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit import build, events, paths
from segkit.data.augmenting.pipeline import augmentation
from segkit.data.loader import Batch, Loader, LoaderSettings
from segkit.data.store import open_prepared
from segkit.engine import distributed
from segkit.engine.runs import COLUMNS, FoldDir
from segkit.engine.starting import start_from
from segkit.engine.teaching.lessons import Lessons, open_lessons
from segkit.engine.teaching.teacher import find
from segkit.engine.training import checkpoint, precision, samples
from segkit.engine.training.account import Account
from segkit.engine.training.objective import Objective, Outputs
from segkit.engine.training.optim import Average, Freezer, make_optimizer
from segkit.engine.training.schedule import RateSchedule
from segkit.recipe import Recipe, from_dict, to_dict


@dataclass(frozen=True)
class FoldJob:
    """Everything that one fold depends on; plain data, so that another process can take it."""

    recipe: Recipe
    folder: FoldDir
    prepared: Path
    train: tuple[str, ...]
    select: tuple[str, ...]  # the part that chooses the checkpoint; may be empty
    seed: int = 0
    device: str = "cpu"
    resume: bool = False
    workers: int = 1
    taught_by: tuple[Path, ...] = ()  # weights of the recipe's teacher that may teach this fold


@dataclass
class TrainingProgress:
    """How far a fold has come; saved in `last.pt`."""

    epoch: int = 0
    step: int = 0  # batches of this epoch that are done
    loss_sum: float = 0.0
    images: int = 0
    score: float = -math.inf  # of the last validation
    best: float = -math.inf
    best_epoch: int = 0
    bad: int = 0  # epochs since the best one
    constant: int = 0  # validations in a row with one constant answer
    seconds: float = 0.0
    history: list[list[float]] = field(default_factory=list)

    def improves(self, score: float, epoch: int) -> bool:
        """Note a validation score; whether it is the best so far."""
        self.score = score
        if score > self.best or not self.best_epoch:
            self.best, self.best_epoch, self.bad = score, epoch + 1, 0
            return True
        self.bad += 1
        return False

    def exhausted(self, patience: int | None) -> bool:
        """Whether early stopping has run out of patience."""
        return patience is not None and self.bad >= patience


class FoldTraining:
    """The parts of a fold, built from its recipe."""

    def __init__(self, job: FoldJob):
        recipe = job.recipe
        self.job, self.device = job, torch.device(job.device)
        torch.manual_seed(job.seed * 1009 + job.folder.index)
        architecture = build.architecture(recipe.architecture)
        self.network = build.create(recipe.architecture, **recipe.model).to(self.device)
        self.notes: list[str] = []
        if recipe.train.init:
            start = start_from(self.network, recipe.train.init, architecture.starts)
            self.notes += start.lines()
        precision.lay_out(self.network, recipe.train.channels_last)
        if recipe.train.sync_batchnorm and distributed.world() > 1:
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
        self.optimizer = make_optimizer(self.network, recipe.optim, architecture.no_decay)
        usual = getattr(self.network, "aux_weights", ())
        self.objective = Objective(recipe.loss, usual, recipe.distil)
        self.outputs = Outputs(self.network, self.objective.deep)
        self.schedule = RateSchedule(recipe)
        self.freezer = Freezer(self.network, recipe.train)
        self.average = Average(self.network, recipe.optim.ema) if recipe.optim.ema else None
        self.dtype = precision.choose(recipe.train.amp, self.device)
        self.scaled = self.dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.scaled)
        self.training, self.validation = self._loaders()
        self.lessons = self._lessons() if job.taught_by else None
        self.account = Account(self.device)
        self._wrapped: tuple[bool, Callable[..., Any]] | None = None

    def _loaders(self) -> tuple[Loader, Loader]:
        job, data, batch = self.job, self.job.recipe.data, self.job.recipe.train.batch
        source = open_prepared(job.prepared)
        shared: dict[str, Any] = {
            "rule": data.normalise,
            "colour": data.colour,
            "cache": data.cache,
        }
        shared |= {"workers": job.workers, "batch": batch, "seed": job.seed}
        place: dict[str, Any] = {
            "rank": distributed.rank(),
            "world": distributed.world(),
            "device": self.device,
        }
        more: dict[str, Any] = {
            "drop_last": job.recipe.train.drop_last,
            "pixels": bool(job.taught_by),
        }
        settings = LoaderSettings(shuffle=True, **more, **shared)
        training = Loader(source, job.train, settings, augmentation(data.augment), **place)
        same = training if training.resident else None
        return training, Loader(
            source, job.select, LoaderSettings(**shared), None, like=same, **place
        )

    def _lessons(self) -> Lessons:
        """The teacher of the recipe, with the weights that may teach this fold."""
        job, recipe = self.job, self.job.recipe
        teacher = find(recipe.distil.teacher)
        names = [file.parent.name if teacher.run else file.name for file in job.taught_by]
        said = f"{teacher.source} ({', '.join(names)}), SHA-256 {recipe.distil.sha256[:12]}…"
        self.notes.append(f"taught by {said}")
        channels = recipe.model.get("num_classes", 1)
        return open_lessons(teacher, job.taught_by, self.device, channels)

    # --- one step ---

    def begin_epoch(self, epoch: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """Train mode, frozen parts frozen; the callable that runs the network forward."""
        self.network.train()
        self.freezer.apply(epoch)
        rests = self.freezer.rests(epoch)
        if self._wrapped is None or self._wrapped[0] != rests:
            self._wrapped = (rests, self._wrap())
        return self._wrapped[1]

    def _wrap(self) -> Callable[..., Any]:
        """The network as it is, compiled, or shared by several processes."""
        wrapped: Any = self.outputs
        if self.job.recipe.train.compile:
            shape = (2, self.job.recipe.model.get("in_channels", 3), *self.job.recipe.data.size)
            wrapped, note = precision.compiled(self.outputs, shape, self.device)
            self.notes.append(note)
        if distributed.world() > 1:
            wrapped = nn.parallel.DistributedDataParallel(wrapped)
        return wrapped

    def taught(self, batch: Batch) -> Tensor | None:
        """What the teacher answers to the pictures of a batch; None without a teacher."""
        return self.lessons(batch.pixels) if self.lessons and batch.pixels is not None else None

    def autocast(self) -> Any:
        """Mixed precision, where the recipe asks for it."""
        return precision.autocast(self.dtype, self.device)

    def in_memory_format(self, image: Tensor) -> Tensor:
        """The image in the memory format of the network."""
        return precision.in_memory_format(image, self.job.recipe.train.channels_last)

    def group_size(self, index: int) -> int:
        """How many batches share the optimizer step that batch `index` belongs to."""
        size = self.job.recipe.optim.accumulate
        return min(size, len(self.training) - index // size * size)

    def completes_group(self, index: int) -> bool:
        """Whether the optimizer steps after this batch."""
        size = self.job.recipe.optim.accumulate
        return (index + 1) % size == 0 or index + 1 == len(self.training)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, scaled under fp16."""
        self.scaler.scale(loss).backward()

    def clip(self) -> Tensor:
        """The norm of the gradient, cut to `optim.clip` if there is one."""
        self.scaler.unscale_(self.optimizer)
        gradients = [p for p in self.network.parameters() if p.grad is not None]
        if self.job.recipe.optim.clip is not None:
            return nn.utils.clip_grad_norm_(gradients, self.job.recipe.optim.clip)
        return nn.utils.get_total_norm([p.grad for p in gradients if p.grad is not None])

    def fine(self, loss: Tensor, norm: Tensor) -> Tensor:
        """Whether loss and gradient are finite; fp16 scaling skips infinite gradients by itself."""
        return torch.isfinite(loss.detach()) & (torch.isfinite(norm) | self.scaled)

    def step(self) -> None:
        """Move the weights, then their average."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.network)

    # --- validation and files ---

    def validates(self, epoch: int) -> bool:
        """Every `val_every` epochs and after the last, if there is a part to validate on."""
        train = self.job.recipe.train
        due = (epoch + 1) % train.val_every == 0 or epoch + 1 == train.epochs
        return due and bool(self.job.select)

    @property
    def decision(self) -> tuple[float, Callable[[], Any]]:
        """How logits become masks while validating."""
        return self.job.recipe.evaluate.threshold, self.autocast

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network that is validated and kept: with averaged weights if there are any."""
        distributed.same_buffers(self.network)
        if self.average:
            self.average.swap(self.network)
        try:
            yield self.network
        finally:
            if self.average:
                self.average.swap(self.network)

    def save(self, state: TrainingProgress) -> None:
        """Write `last.pt`: everything that is needed to go on as if nothing had happened."""
        if not distributed.is_main():
            return
        checkpoint.save_last(
            self.job.folder.last,
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state(),
                "scaler": self.scaler.state_dict(),
                "average": self.average.state() if self.average else None,
                "random": checkpoint.random_state(self.device),
                "progress": asdict(state),
                "recipe": to_dict(self.job.recipe),
            },
        )

    def resume(self) -> TrainingProgress:
        """Load `last.pt`, if there is one."""
        if not self.job.folder.last.is_file():
            return TrainingProgress()
        kept = checkpoint.load_last(self.job.folder.last, self.device)
        # a state of before a section of recipes was there has that section's defaults
        checkpoint.refuse_changes(to_dict(from_dict(kept["recipe"])), to_dict(self.job.recipe))
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.schedule.load(kept["schedule"])
        self.scaler.load_state_dict(kept["scaler"])
        if self.average:
            self.average.resume(kept["average"])
        checkpoint.restore_random_state(kept["random"], self.device)
        return TrainingProgress(**kept["progress"])

    def save_best(self, state: TrainingProgress) -> None:
        """Write the weights that are to be kept."""
        if distributed.is_main():
            notes = {"epoch": state.best_epoch, "score": state.best}
            checkpoint.save_best(self.job.folder.best, self.network, notes)

    def show_samples(self) -> None:
        """A few validation pictures with truth and prediction, for whoever watches."""
        if distributed.is_main() and len(self.validation.ids):
            with self.autocast():
                path = self.job.folder.path / "samples.png"
                samples.write_samples(path, self.network, self.validation, self.decision[0])

    @property
    def parameters(self) -> int:
        """How many parameters the network has."""
        return sum(p.numel() for p in self.network.parameters())

    # --- events ---

    @property
    def _place(self) -> tuple[int, int]:
        return self.job.folder.index, self.job.seed

    def opening(self, state: TrainingProgress) -> events.Event:
        """What is about to be trained."""
        return events.FoldStarted(
            *self._place,
            train=len(self.job.train),
            val=len(self.job.select),
            epochs=self.job.recipe.train.epochs,
            from_epoch=state.epoch + 1,
            from_step=state.step,
            parameters=self.parameters,
            device=str(self.device),
            precision=precision.describe_precision(self.dtype, self.device),
            resident=self.training.resident,
        )

    def news(self) -> Iterator[events.Event]:
        """Events since the last call, such as how compiling went."""
        while self.notes:
            yield events.FoldNote(*self._place, self.notes.pop(0))

    def tick(self, epoch: int, batch: Batch) -> events.Event:
        """One step, for a live display."""
        return events.Stepped(
            *self._place,
            epoch=epoch + 1,
            step=batch.index + 1,
            steps=len(self.training),
            loss=self.account.mean,
        )

    def close_epoch(
        self, state: TrainingProgress, epoch: int, figures: dict[str, Any], seconds: float
    ) -> events.EpochDone:
        """Move to the next epoch; the row of `metrics.csv` and the event of this one."""
        images = distributed.total(state.images, self.device)
        loss = distributed.total(state.loss_sum, self.device) / images
        speed, lr = images / seconds, self.schedule.at(epoch, 1.0)
        names = (column.removeprefix("val_") for column in COLUMNS[3:8])
        row = [epoch + 1, lr, loss, *(figures.get(name, math.nan) for name in names)]
        state.history.append([*map(float, row), seconds, speed])
        state.seconds += seconds
        state.epoch, state.step, state.loss_sum, state.images = epoch + 1, 0, 0.0, 0
        self._write_history(state)
        return events.EpochDone(
            *self._place,
            epoch=epoch + 1,
            loss=loss,
            lr=lr,
            val=figures,
            seconds=seconds,
            images_per_s=speed,
            best=state.best_epoch == epoch + 1,
            memory_mb=precision.memory_mb(self.device),
        )

    def _write_history(self, state: TrainingProgress) -> None:
        if distributed.is_main():
            rows = [",".join("" if v != v else f"{v:.10g}" for v in row) for row in state.history]
            paths.write_text(self.job.folder.metrics_csv, "\n".join([",".join(COLUMNS), *rows, ""]))
            samples.write_curves(self.job.folder.path / "curves.svg", state.history)

    def closing(self, state: TrainingProgress) -> events.Event:
        """The end of the fold; without a validation part the last weights are kept."""
        if not state.best_epoch:
            state.best_epoch, state.best = state.epoch, math.nan
            with self.averaged():
                self.save_best(state)
        result: dict[str, Any] = {
            "best_epoch": state.best_epoch,
            "score": None if math.isnan(state.best) else state.best,
            "select": self.job.recipe.train.select,
            "epochs": state.epoch,
            "stopped_early": state.epoch < self.job.recipe.train.epochs,
            "seconds": state.seconds,
            "parameters": self.parameters,
        }
        if distributed.is_main():
            paths.write_json(self.job.folder.result_json, result)
        return events.FoldDone(*self._place, **result)
