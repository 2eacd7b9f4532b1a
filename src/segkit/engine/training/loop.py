"""Training one fold: forward, loss, backward, step, schedule, save, in the order of things.

`train_fold` is a generator of events (plain dicts); whoever reads them draws, logs or ignores them.
`segkit.engine.training.crossval.train` runs it over folds and seeds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from segkit.engine.training import guards
from segkit.engine.training.fold import Fold, Job, Progress
from segkit.engine.training.guards import Stop
from segkit.engine.training.optim import set_rate
from segkit.engine.training.validate import score_of, validate


def train_fold(job: Job, stop: Stop) -> Iterator[dict[str, Any]]:
    """One fold from its first (or next) step to `best.safetensors`: the whole loop."""
    fold = Fold(job)  # network, optimizer, schedule, loss and loaders, as the recipe says
    state = fold.resume() if job.resume else Progress()
    recipe, steps = job.recipe, len(fold.training)
    yield fold.opening(state)
    for epoch in range(state.epoch, recipe.train.epochs):
        if state.exhausted(recipe.train.early_stop):
            break
        forward = fold.begin_epoch(epoch)
        yield from fold.news()
        begun = time.perf_counter()
        for batch in fold.training.epoch(epoch, start=state.step):
            set_rate(fold.optimizer, fold.schedule.at(epoch, (batch.index + 1) / steps))

            with fold.autocast():
                outputs = forward(fold.laid_out(batch.image))
            loss = fold.objective([output.float() for output in outputs], batch.mask)
            fold.backward(loss * (batch.share / fold.group_size(batch.index)))
            state.add(loss, batch)

            if fold.completes_group(batch.index):
                guards.check_finite(fold, batch, loss, fold.clip())
                fold.step()
                state.step = batch.index + 1
                if stop.requested(fold.device) or stop.due():
                    fold.save(state)
                    stop.leave_if_requested(job.folder.path)
            yield fold.tick(epoch, batch, state)

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
