"""Time, memory and energy of a network on this machine."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WARM_UP = 3
SECONDS = 2.0  # for everything measured, by default
LATENCY_SHARE, THROUGHPUT_SHARE = 0.3, 0.3  # of it; memory takes one pass forward and one back
FEWEST = 2  # latency runs, however slow
MOST_BATCH = 64
RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


class Meter:
    """Measures one network at one input shape, on a random picture."""

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        device: torch.device,
        runs: int = 20,
        seconds: float = SECONDS,
    ):
        self.seconds = seconds
        self.network, self.device, self.runs = network.to(device).eval(), device, runs
        self.image = torch.rand(tuple(shape), device=device)

    def measure(self) -> dict[str, Any]:
        """The measured part of the profile document."""
        latency = self.latency()
        return {
            "latency_ms": latency,
            "throughput": self.throughput(),
            "peak_memory_mb": self.inference_memory(),
            "peak_memory_training_mb": self.training_memory(),
            "energy_j": self.energy(latency["median"]),
        }

    def latency(self) -> dict[str, Any]:
        """Median and 95th percentile of single calls after warm-up."""
        times = self._times(self.image, self.runs, LATENCY_SHARE * self.seconds)
        return {
            "median": round(statistics.median(times), 3),
            "p95": round(_percentile(times, 0.95), 3),
            "runs": len(times),
            "device": device_name(self.device),
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
        }

    def throughput(self) -> dict[str, Any]:
        """Images per second at the best batch: doubled while it gains and time allows."""
        best: dict[str, Any] = {"images_per_s": 0.0, "batch": 0}
        begun, batch, budget = time.monotonic(), 1, THROUGHPUT_SHARE * self.seconds
        while batch <= MOST_BATCH and time.monotonic() - begun < budget:
            rate = self._rate(batch, budget / 4)
            if rate is None or rate < 0.9 * best["images_per_s"]:
                break
            if rate > best["images_per_s"]:
                best = {"images_per_s": round(rate, 2), "batch": batch}
            batch *= 2
        return best

    def _rate(self, batch: int, seconds: float) -> float | None:
        try:
            image = self.image[:1].expand(batch, -1, -1, -1).contiguous()
            times = self._times(image, 5, seconds)
        except torch.OutOfMemoryError:
            return None
        return 1000.0 * batch / statistics.median(times)

    def _times(self, image: Tensor, runs: int, seconds: float) -> list[float]:
        """Milliseconds of up to `runs` calls, fewer (but two) once `seconds` have passed."""
        with torch.inference_mode():
            slow = self._time(image) > 1000 * seconds / 5
            for _ in range(0 if slow else WARM_UP - 1):
                self.network(image)
            times: list[float] = []
            while len(times) < runs and (len(times) < FEWEST or sum(times) < 1000 * seconds):
                times.append(self._time(image))
        return times

    def _time(self, image: Tensor) -> float:
        if self.device.type != "cuda":
            begun = time.perf_counter()
            self.network(image)
            return 1000 * (time.perf_counter() - begun)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        self.network(image)
        end.record()
        end.synchronize()
        return start.elapsed_time(end)

    def inference_memory(self) -> float:
        """Peak MB of live tensors (weights included) of one forward; on a GPU, of the allocator."""

        def forward() -> None:
            with torch.inference_mode():
                self.network(self.image)

        return self._peak(forward)

    def training_memory(self) -> float:
        """The same for a forward and backward pass (weights and gradients; no optimizer state)."""

        def step() -> None:
            self.network(self.image).mean().backward()

        self.network.train(self.image.shape[0] > 1)
        try:
            return self._peak(step)
        finally:
            self.network.zero_grad(set_to_none=True)
            self.network.eval()

    def _peak(self, work: Callable[[], None]) -> float:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            work()
            torch.cuda.synchronize(self.device)
            return round(torch.cuda.max_memory_allocated(self.device) / 1e6, 2)
        live = _LiveMemory([*self.network.parameters(), *self.network.buffers(), self.image])
        with live:
            work()
        return round(live.peak / 1e6, 2)

    def energy(self, milliseconds: float) -> float | None:
        """Joules per forward where the machine tells: RAPL, or the GPU's driver."""
        if self.device.type == "cuda":
            return _cuda_energy(self.network, self.image, milliseconds)
        before = _rapl()
        if before is None:
            return None
        runs = max(1, int(500 / milliseconds))
        with torch.inference_mode():
            for _ in range(runs):
                self.network(self.image)
        after = _rapl()
        return None if after is None or after < before else round((after - before) / 1e6 / runs, 4)


class _LiveMemory(TorchDispatchMode):
    """Bytes of the tensors that are alive: each result is seen, and its end by a finalizer."""

    def __init__(self, already: Sequence[Tensor]):
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()
        for tensor in already:
            self._see(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf)
        return result

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or not size:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _rapl() -> int | None:
    """The processor's energy counter in microjoules; None where it cannot be read."""
    try:
        return int(RAPL.read_text())
    except (OSError, ValueError):
        return None


def _cuda_energy(network: nn.Module, image: Tensor, milliseconds: float) -> float | None:
    """Mean power while the network runs, times its latency."""
    try:
        torch.cuda.power_draw(image.device)
    except (ModuleNotFoundError, RuntimeError):  # no driver library for Python
        return None
    watts, until = [], time.monotonic() + 1.0
    with torch.inference_mode():
        while time.monotonic() < until:
            network(image)
            watts.append(torch.cuda.power_draw(image.device) / 1000)
    return round(statistics.mean(watts) * milliseconds / 1000, 4)


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's own name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    return f"cpu ({_processor()})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def backend_name(device: torch.device) -> str | None:
    """The kernels that a scan would use on this device."""
    from segkit import ops

    return ops.backend_in_use(device)
