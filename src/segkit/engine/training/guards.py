"""What can go wrong while training, said in a line with a cure, with the last good state kept."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from segkit import paths
from segkit.engine import distributed
from segkit.errors import SegkitError

if TYPE_CHECKING:
    from segkit.data.loader import Batch
    from segkit.engine.training.fold import FoldTraining, TrainingProgress
    from segkit.events import EpochDone, FoldWarned

GRACE = 5.0  # seconds in which a repeated signal is one request: `timeout` tells the whole group
EVERY = 16  # steps between two questions among several processes
PATIENCE = 3  # validations in a row with one constant answer before it is called a collapse


class Stopped(SegkitError):
    """A signal ended the run after its state was saved."""

    def __init__(self, folder: Path, number: int):
        self.exit_code = 128 + number
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name}", f"the state is saved in {folder}", "Go on with --resume."
        )


class Stop:
    """A request to stop (SIGTERM, SIGINT) and the clock of `--save-minutes`."""

    def __init__(self, save_minutes: float | None = None):
        self.signal = 0
        self.asked = math.inf
        self.interval = save_minutes * 60 if save_minutes else math.inf
        self.saved = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Catch both signals while training; a later second one goes to the usual handler."""
        before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}

        def remember(number: int, frame: Any) -> None:
            if time.monotonic() - self.asked > GRACE:
                signal.signal(number, before[number])
                signal.raise_signal(number)
            elif not self.signal:
                self.signal, self.asked = number, time.monotonic()

        try:
            for number in before:
                signal.signal(number, remember)
        except ValueError:  # not the main thread: whoever owns it handles signals
            before = {}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def requested(self, device: torch.device, step: int = 0) -> bool:
        """Whether any process was asked to stop; then all of them are.

        Several processes have to ask one another, which waits for the device: every few steps.
        """
        if distributed.world() > 1 and step % EVERY:
            return False
        asked = distributed.any_of(bool(self.signal), device)
        if asked and not self.signal:
            self.signal = signal.SIGTERM
        return asked

    def due(self) -> bool:
        """Whether `--save-minutes` have passed since the last time."""
        if time.monotonic() - self.saved < self.interval:
            return False
        self.saved = time.monotonic()
        return True

    def leave_if_requested(self, folder: Path) -> None:
        """After the state is saved: end the run if that was asked for."""
        if self.signal:
            raise Stopped(folder, self.signal)


def broken(fold: FoldTraining, batch: Batch, loss: Tensor) -> SegkitError:
    """What to say of a batch that gave NaN or inf in the loss or the gradient."""
    found = "the loss" if not torch.isfinite(loss) else "the gradient"
    fine = bool(fold.fine(loss, fold.clip()))
    where = "a step that does not fail again" if fine else first_bad_module(fold, batch)
    file = fold.job.folder.path / "bad_batch.json"
    paths.write_json(file, {"ids": batch.ids, "found_in": found, "module": where})
    kept = " The last good state is kept." if fold.job.folder.last.is_file() else ""
    return SegkitError(
        f"{found} is not finite (nan or inf)",
        f"first in {where}; the pictures of the batch are in {file}",
        f"Lower --lr, set optim.clip=1.0, or leave --amp off.{kept}",
    )


def first_bad_module(fold: FoldTraining, batch: Batch) -> str:
    """The first module whose output is not finite, else the last whose gradient is not."""
    bad: list[str] = []
    handles = [
        module.register_forward_hook(_watch(name, bad))
        for name, module in fold.network.named_modules()
        if not list(module.children())
    ]
    try:
        with torch.no_grad(), fold.autocast():
            fold.outputs(fold.in_memory_format(batch.image))
    finally:
        for handle in handles:
            handle.remove()
    if bad:
        return f"module '{bad[0]}'"
    named = [n for n, p in fold.network.named_parameters() if not _finite(p.grad)]
    return f"the gradient of '{named[-1]}'" if named else "the loss itself"


def _watch(name: str, bad: list[str]) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        tensors = output if isinstance(output, tuple | list) else (output,)
        if not all(_finite(t) for t in tensors if isinstance(t, Tensor)):
            bad.append(name)

    return hook


def _finite(tensor: Tensor | None) -> bool:
    return tensor is None or bool(torch.isfinite(tensor).all())


def warn_if_collapsed(state: TrainingProgress, epoch: EpochDone) -> Iterator[FoldWarned]:
    """Say once that every validation mask is background (or foreground) for a while."""
    share = epoch.val.get("predicted_share")
    if share is None:
        return
    constant = share in (0.0, 1.0) and epoch.val["true_share"] not in (0.0, 1.0)
    state.constant = state.constant + 1 if constant else 0
    if state.constant == PATIENCE:
        what = "background" if share == 0 else "foreground"
        text = f"collapsed: all masks are {what} in {PATIENCE} validations in a row"
        from segkit.events import FoldWarned

        yield FoldWarned(epoch.fold, epoch.seed, text)


@contextmanager
def memory_errors(batch: int, device: torch.device) -> Iterator[None]:
    """Out of memory is one line with a cure."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise SegkitError(
            f"out of memory on {device} with batches of {batch}",
            None,
            f"Try --batch {max(1, batch // 2)}, --batch auto or --amp bf16; then --resume goes on.",
        ) from error
