"""Training one fold: forward, loss, backward, step, schedule, save, in the order of things.

`train_fold` is a generator of events (`segkit.events`); whoever reads them draws or logs.
`segkit.engine.training.crossval.train` runs it over folds and seeds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from segkit.engine.training import guards
from segkit.engine.training.fold import FoldJob, FoldTraining, TrainingProgress
from segkit.engine.training.guards import Stop
from segkit.engine.training.optim import set_rate
from segkit.engine.training.validate import score_of, validate
from segkit.errors import SegkitError
from segkit.events import Event


def train_fold(job: FoldJob, stop: Stop) -> Iterator[Event]:
    """One fold from its first (or next) step to `best.safetensors`: the whole loop."""
    fold = FoldTraining(job)  # network, optimizer, schedule, loss and loaders, as the recipe says
    state = fold.resume() if job.resume else TrainingProgress()
    recipe, steps = job.recipe, len(fold.training)
    yield fold.opening(state)
    for epoch in range(state.epoch, recipe.train.epochs):
        if state.exhausted(recipe.train.early_stop):
            break
        forward = fold.begin_epoch(epoch)
        fold.account.begin(state.loss_sum, state.images)
        yield from fold.news()
        begun = time.perf_counter()
        for batch in fold.training.epoch(epoch, start=state.step):
            set_rate(fold.optimizer, fold.schedule.at(epoch, (batch.index + 1) / steps))

            with fold.autocast():
                outputs = forward(fold.in_memory_format(batch.image))
            taught = fold.taught(batch)  # a teacher's logits; None without one
            loss = fold.objective([output.float() for output in outputs], batch.mask, taught)
            fold.backward(loss * (batch.share / fold.group_size(batch.index)))
            fold.account.add(loss, batch)

            if fold.completes_group(batch.index):
                fold.account.watch(fold.fine(loss, fold.clip()), batch)
                fold.step()
                state.step = batch.index + 1
                leaving = stop.requested(fold.device, state.step) or stop.due()
                if leaving or fold.account.due():
                    settle(fold, state, epoch)  # the only wait for the device
                if leaving:
                    fold.save(state)
                    stop.leave_if_requested(job.folder.path)
            yield fold.tick(epoch, batch)
        settle(fold, state, epoch)

        seconds = time.perf_counter() - begun
        figures: dict[str, Any] = {}
        if fold.validates(epoch):
            with fold.averaged() as network:
                figures = validate(network, fold.validation, fold.objective, *fold.decision)
                if state.improves(score_of(figures, recipe.train.select), epoch):
                    fold.save_best(state)
                    fold.show_samples()
            fold.schedule.observe(state.score)
        event = fold.close_epoch(state, epoch, figures, seconds)
        fold.save(state)
        yield event
        yield from guards.warn_if_collapsed(state, event)
        if stop.requested(fold.device):
            stop.leave_if_requested(job.folder.path)
    yield fold.closing(state)


def settle(fold: FoldTraining, state: TrainingProgress, epoch: int) -> None:
    """Read the loss so far; a batch that broke since the last time ends the run."""
    loss_sum, bad = fold.account.read()
    if bad is not None:
        raise replay(fold, epoch, bad)
    state.loss_sum, state.images = loss_sum, fold.account.images


def replay(fold: FoldTraining, epoch: int, bad: int) -> SegkitError:
    """The error of a batch that broke, found again from the last good state, step by step."""
    again = (
        fold if fold.job.folder.last.is_file() else FoldTraining(replace(fold.job, resume=False))
    )
    state = again.resume()
    again.optimizer.zero_grad(set_to_none=True)
    forward, steps = again.begin_epoch(epoch), len(again.training)
    for batch in again.training.epoch(epoch, start=state.step):
        set_rate(again.optimizer, again.schedule.at(epoch, (batch.index + 1) / steps))
        with again.autocast():
            outputs = forward(again.in_memory_format(batch.image))
        taught = again.taught(batch)
        loss = again.objective([output.float() for output in outputs], batch.mask, taught)
        again.backward(loss * (batch.share / again.group_size(batch.index)))
        if again.completes_group(batch.index):
            if batch.index >= bad or not bool(again.fine(loss, again.clip())):
                break
            again.step()
    return guards.broken(again, batch, loss)
