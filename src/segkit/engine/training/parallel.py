"""Several folds at the same time, each in its own process: the same results as one after another.

Every fold seeds itself, so nothing depends on who trains it. Small networks leave a GPU mostly
idle; with several GPUs the folds go round them.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import queue
import sys
from collections.abc import Iterator
from typing import Any

import torch

from segkit.engine import lifeline
from segkit.engine.training import guards, precision
from segkit.engine.training.fold import FoldJob
from segkit.engine.training.guards import Stop, Stopped
from segkit.errors import SegkitError
from segkit.events import Event, Failed

END = "end"


def run_parallel(jobs: list[FoldJob], at_once: int, save_minutes: float | None) -> Iterator[Event]:
    """The events of all folds as they come, `at_once` folds in flight."""
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    shared = (save_minutes, torch.get_num_threads(), torch.backends.cudnn.allow_tf32, os.getpid())
    waiting = [_placed(job, number) for number, job in enumerate(jobs)]
    running: list[Any] = []
    stop = Stop()
    with stop.listening():
        try:
            while waiting or running:
                while waiting and len(running) < at_once and not stop.signal:
                    process = context.Process(target=_work, args=(waiting.pop(0), events, *shared))
                    process.start()
                    running.append(process)
                yield from _received(events)
                running = [process for process in running if _alive(process)]
                if stop.signal:
                    _end(running)
                    raise Stopped(jobs[0].folder.path.parent, stop.signal)
            yield from _received(events)
        finally:
            _end(running)


def _placed(job: FoldJob, number: int) -> FoldJob:
    """Assign folds to the GPUs in turn, if there are several."""
    if not job.device.startswith("cuda") or torch.cuda.device_count() < 2:
        return job
    return dataclasses.replace(job, device=f"cuda:{number % torch.cuda.device_count()}")


def _received(events: Any) -> Iterator[Event]:
    """Events that the child processes have sent so far; an error of theirs is raised here."""
    try:
        event = events.get(timeout=0.1)
        while True:
            if isinstance(event, Failed):
                raise SegkitError(event.what, event.why, event.cure)
            yield event
            event = events.get_nowait()
    except queue.Empty:
        return


def _alive(process: Any) -> bool:
    if process.is_alive():
        return True
    if process.exitcode not in (0, None):
        why = f"exit code {process.exitcode}" if process.exitcode > 0 else "it was killed"
        raise SegkitError("a fold's process has ended", why, "Go on with --resume.")
    return False


def _end(processes: list[Any]) -> None:
    """Ask the child processes to save and stop, and wait for them."""
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(30)


def _work(
    job: FoldJob, events: Any, save_minutes: float | None, threads: int, tf32: bool, parent: int
) -> None:
    """One fold in a child process, which ends with its parent."""
    lifeline.follow(parent)
    from segkit.engine.training.loop import train_fold

    torch.set_num_threads(threads)
    precision.use_tf32(tf32)
    stop = Stop(save_minutes)
    try:
        batch, device = job.recipe.train.batch, torch.device(job.device)
        with stop.listening(), guards.memory_errors(batch, device):
            for event in train_fold(job, stop):
                events.put(event)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    except SegkitError as error:
        events.put(Failed(error.what, error.why, error.cure))
