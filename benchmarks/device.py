"""What a GPU does with segkit, in ten minutes: one script, resumable, in order of worth.

    python -m benchmarks.device --out device             # on a machine with a GPU
    python -m benchmarks.device --dry-run --out /tmp/dry # every part on the CPU, at toy size

Each part writes `OUT/NAME.json` as soon as it is known and prints its pass line; one that is there
is not run again, one that fails says why and the next begins. What is left of the time goes to
training (benchmarks.real_results). `OUT/page.md` is the table for docs/results-gpu.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import segkit
from segkit import ops, paths
from segkit.engine.training.objective import Objective, Outputs
from segkit.metrics import surface, surface_device
from segkit.recipe import LossRecipe

sys.path.insert(0, str(Path(__file__).parent))  # its neighbours run alone too
from ss2d import four_loops, inputs, ours

NETWORKS = ("qtseg", "eamnet", "dermomamba", "vmpanet", "ultralight_vmunet", "unet")
BANDWIDTH = {"H100": 3.35e12, "H200": 4.8e12, "A100": 2.0e12}  # bytes a second, as printed
GOAL_FORWARD, GOAL_BOTH = 3.0, 2.5  # SS2D over the plain loop on the same card


@dataclass(frozen=True)
class Bench:
    """Where the parts run, and how large they are."""

    device: torch.device
    toy: bool

    def size(self, full: int, toy: int) -> int:
        return toy if self.toy else full

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, run: Callable[[], object], rounds: int = 9) -> float:
        """The median of several rounds, after two that warm up."""
        for _ in range(2):
            run()
        times = []
        for _ in range(self.size(rounds, 2)):
            self.wait()
            begun = time.perf_counter()
            run()
            self.wait()
            times.append(time.perf_counter() - begun)
        return statistics.median(times)


Part = Callable[[Bench], dict[str, Any]]


def doctor(bench: Bench) -> dict[str, Any]:
    """What is there: the card, and every backend that passed its probe."""
    card = torch.cuda.get_device_name() if bench.device.type == "cuda" else "cpu"
    found = ops.available_backends(bench.device.type)
    return {"card": card, "torch": torch.__version__, "backends": found, "passed": bool(found)}


def equal(bench: Bench) -> dict[str, Any]:
    """Forward and all gradients of every backend against float64, relative to the largest."""
    shape = (2, bench.size(64, 4), bench.size(33, 5), bench.size(47, 6))
    wanted = _answers("reference", shape, bench, torch.float64)
    worst = {}
    for name in ops.available_backends(bench.device.type):
        if name not in ("reference", "export"):
            pairs = zip(_answers(name, shape, bench, torch.float32), wanted, strict=True)
            worst[name] = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    return {"shape": shape, "worst": worst, "passed": all(v < 1e-4 for v in worst.values())}


def _answers(name: str, shape: Any, bench: Bench, dtype: torch.dtype) -> list[torch.Tensor]:
    values = [t.detach().to(dtype).requires_grad_() for t in inputs(shape, str(bench.device))]
    y = ours(name)(*values)
    weight = torch.linspace(-1, 1, y.numel(), device=y.device, dtype=dtype).view(y.shape)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), values)]


def repeats(bench: Bench) -> dict[str, Any]:
    """The same bits in twenty runs of forward and backward."""
    name = _best(bench)
    shape = (2, bench.size(96, 3), bench.size(64, 5), bench.size(64, 6))
    first = _answers(name, shape, bench, torch.float32)
    same = all(
        torch.equal(a, b)
        for _ in range(bench.size(19, 2))
        for a, b in zip(first, _answers(name, shape, bench, torch.float32), strict=True)
    )
    return {"backend": name, "passed": same}


def _best(bench: Bench) -> str:
    return ops.available_backends(bench.device.type)[0]


def scans(bench: Bench) -> dict[str, Any]:
    """SS2D against the plain loop of four directions and the bytes that must move."""
    shape = (bench.size(8, 1), bench.size(64, 2), bench.size(64, 6), bench.size(64, 6))
    values = inputs(shape, str(bench.device))
    ways = {name: ours(name) for name in (_best(bench), "torch")} | {"loop": four_loops}
    rows: dict[str, Any] = {}
    for name, core in ways.items():
        with torch.no_grad():
            forward = bench.seconds(lambda core=core: core(*values))
        rows[name] = {
            "forward": forward,
            "both": bench.seconds(lambda core=core: _both(core, values)),
        }
    mine, loop = rows[_best(bench)], rows["loop"]
    gains = {kind: loop[kind] / mine[kind] for kind in ("forward", "both")}
    reached = gains["forward"] >= GOAL_FORWARD and gains["both"] >= GOAL_BOTH
    return {"shape": shape, "seconds": rows, "gains": gains, "bound": _bound(shape, bench)} | {
        "passed": bench.toy or reached
    }


def _both(core: Any, values: Any) -> None:
    y = core(*values)
    torch.autograd.grad(y.sum(), values)


def _bound(shape: tuple[int, int, int, int], bench: Bench) -> float | None:
    """Seconds that reading x and writing four planes takes at the card's printed bandwidth."""
    if bench.device.type != "cuda":
        return None
    named = [v for key, v in BANDWIDTH.items() if key in torch.cuda.get_device_name()]
    return 5 * 4 * float(np.prod(shape)) / named[0] if named else None


def steps(bench: Bench) -> dict[str, Any]:
    """A training step of each network: float32, bf16, and compiled where there is a GPU."""
    rows: dict[str, Any] = {}
    for name in NETWORKS if not bench.toy else ("ultralight_vmunet", "unet"):
        rows[name] = _network(name, bench)
    return {"rows": rows, "passed": all("error" not in row for row in rows.values())}


def _network(name: str, bench: Bench) -> dict[str, Any]:
    side, batch = bench.size(256, 32), bench.size(8, 2)
    found: dict[str, Any] = {"side": side, "batch": batch}
    ways = ("float32", "bf16") if bench.toy else ("float32", "bf16", "compiled")
    for way in ways:
        try:
            seconds = bench.seconds(_step(name, way, side, batch, bench))
            found[way] = {"ms": 1000 * seconds, "pictures_per_s": batch / seconds}
        except (RuntimeError, segkit.SegkitError) as error:
            found["error"] = f"{way}: {str(error).splitlines()[0]}"
    return found


def _step(name: str, way: str, side: int, batch: int, bench: Bench) -> Callable[[], None]:
    torch.manual_seed(0)
    network = segkit.create(name).to(bench.device).train()
    objective = Objective(LossRecipe(), getattr(network, "aux_weights", ()))
    outputs: Any = Outputs(network, objective.deep)
    if way == "compiled":
        outputs = torch.compile(outputs)
    fused = bench.device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=fused)
    image = torch.randn(batch, 3, side, side, device=bench.device)
    mask = (torch.rand(batch, side, side, device=bench.device) > 0.7).long()

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=way != "float32"):
            answers = outputs(image)
        objective([out.float() for out in answers], mask).backward()
        optimizer.step()

    return run


def distances(bench: Bench) -> dict[str, Any]:
    """HD95 and its kin on the device, equal to the CPU's."""
    rng = np.random.default_rng(0)
    side, count = bench.size(512, 24), bench.size(16, 3)
    truth = np.cumsum(rng.standard_normal((count, side, side)), 2) > 0
    guess = np.roll(truth, 3, 1)
    wanted = surface.batch_distances(guess, truth)
    pair = [torch.from_numpy(np.ascontiguousarray(x)).to(bench.device) for x in (guess, truth)]
    found = surface_device.batch_distances(*pair)
    worst = max(float(np.abs(found[k] - wanted[k]).max()) for k in found)
    ms = 1000 * bench.seconds(lambda: surface_device.batch_distances(*pair)) / count
    return {"ms_per_picture": ms, "worst": worst, "passed": worst < 1e-3}


def folds(bench: Bench) -> dict[str, Any]:
    """Five folds of QTSeg for a few minutes: what 350 epochs of DSB2018 at 512² would take."""
    data = ["demo", "--size", "64"] if bench.toy else ["dsb2018", "--size", "512"]
    network = ["unet", "--set", "model.width=4"] if bench.toy else ["qtseg", "--amp", "bf16"]
    with_folds = ["--folds", "2" if bench.toy else "5", "--epochs", "1" if bench.toy else "3"]
    words = ["train", *network, "--data", *data, *with_folds, "--device", bench.device.type]
    begun = time.perf_counter()
    out = paths.runs() / f"device-{int(begun)}"
    command = [sys.executable, "-m", "segkit", *words, "--fold-jobs", "auto", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    seconds = time.perf_counter() - begun
    minutes = seconds / (1 if bench.toy else 3) * 350 / 60
    return {
        "seconds": seconds,
        "minutes_of_350_epochs": minutes,
        "said": done.stderr[-500:],
        "passed": done.returncode == 0 and (bench.toy or minutes < 25),
    }


PARTS: dict[str, Part] = {
    "doctor": doctor,
    "equal": equal,
    "repeats": repeats,
    "scans": scans,
    "steps": steps,
    "distances": distances,
    "folds": folds,
}


def carry_out(name: str, part: Part, bench: Bench, out: Path) -> dict[str, Any]:
    """One part, written as soon as it is known; a failure is written too, and tried again."""
    file = out / f"{name}.json"
    if file.is_file() and (found := paths.read_json(file)).get("passed"):
        return dict(found)
    begun = time.perf_counter()
    try:
        found = part(bench)
    except Exception as error:  # the next part is worth its minutes all the same
        found = {"passed": False, "error": f"{type(error).__name__}: {error}"}
        traceback.print_exc()
    found["took"] = round(time.perf_counter() - begun, 1)
    paths.write_json(file, found)
    return found


def page(results: dict[str, dict[str, Any]]) -> str:
    """The table of what was run."""
    lines = ["| part | passed | seconds | what it found |", "|---|---|---|---|"]
    for name, found in results.items():
        facts = {k: v for k, v in found.items() if k not in ("passed", "took", "said")}
        words = str(facts).replace("|", "/").replace("\n", " ")
        verdict = "yes" if found["passed"] else "**no**"
        lines.append(f"| {name} | {verdict} | {found['took']} | {words} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("device"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, at toy size")
    parser.add_argument("--only", help="these parts: a,b")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        print("there is no GPU here; --dry-run goes through every part on the CPU", file=sys.stderr)
        return 1
    bench = Bench(torch.device("cpu" if options.dry_run else "cuda"), options.dry_run)
    names = options.only.split(",") if options.only else list(PARTS)
    end, results = time.monotonic() + 60 * options.minutes, {}
    options.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if time.monotonic() < end:
            results[name] = carry_out(name, PARTS[name], bench, options.out)
            verdict = "passed" if results[name]["passed"] else "FAILED"
            print(f"{name}: {verdict} in {results[name]['took']} s", flush=True)
            (options.out / "page.md").write_text(page(results), encoding="utf-8")
    left = int(end - time.monotonic())
    if left > 60 and not options.dry_run:
        words = ["-m", "benchmarks.real_results", "--device", "cuda"]
        subprocess.run(["timeout", str(left), sys.executable, *words], check=False)
    return 0 if all(found["passed"] for found in results.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
