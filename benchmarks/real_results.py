"""Real pictures, side by side: carry out what is missing of the plan, and write its page.

    OMP_NUM_THREADS=1 python -m benchmarks.real_results           # runs what is missing; resumable
    python -m benchmarks.real_results --plan                      # what would be run
    python -m benchmarks.real_results --only qtseg-equal          # these rows
    python -m benchmarks.real_results --table-only                # the page of what is there
    timeout 570 python -m benchmarks.real_results --device cuda   # the plan for a GPU, in slices
    python -m benchmarks.real_results --on slurm                  # each run as a task of an array

Every run is one `segkit train` command in a process of its own, and the page names it. The page is
written anew after every finished run; a stopped run goes on where it was. A figure is on the page
only if its run is finished.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from benchmarks.real_page import COST, cost, done, page
from benchmarks.real_plan import PLANS, Experiment, in_order

from segkit import paths
from segkit.engine.launching import states, tasks, watching
from segkit.engine.runs import open_run

HERE = Path(__file__).parent


def carry_out(row: Experiment, seed: int, root: Path) -> bool:
    """Train and score one run, on from where it stopped; its cost is kept beside it."""
    folder, words = row.folder(root, seed), row.command(root, seed)
    begun = (folder / "recipe.json").is_file()
    if begun and open_run(folder).training_now:
        print(f"{folder} is being trained by another process: left alone", flush=True)
        return False
    print("segkit " + shlex.join(words), flush=True)
    segkit = [sys.executable, "-m", "segkit", *words, *(["--resume"] if begun else [])]
    since, spent = time.monotonic(), _spent()
    try:
        code = _run(segkit)
    finally:  # also when stopped: a resumed run has cost the sum
        if folder.is_dir():
            _add_cost(folder, time.monotonic() - since, _spent() - spent)
    return code == 0


def _run(command: list[str]) -> int:
    """The exit code; a signal to this program reaches the run, which keeps its state and ends."""
    with subprocess.Popen(command, cwd=HERE.parent) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _add_cost(folder: Path, wall: float, cpu: float) -> None:
    known = cost(folder)
    total = {"wall": wall + known.get("wall", 0.0), "cpu": cpu + known.get("cpu", 0.0)}
    paths.write_json(folder / COST, {**total, "processor": processor()})


def elsewhere(
    pairs: list[tuple[Experiment, int]], root: Path, on: str, cluster: Path | None
) -> bool:
    """Every missing run as a task at another place; whether all of them ended well."""
    missing = [(row, seed) for row, seed in pairs if not done(row.folder(root, seed))]
    commands = [
        (f"{row.name}-s{seed}", row.folder(root, seed), row.command(root, seed))
        for row, seed in missing
    ]
    settings, _ = watching.cluster(on, cluster)
    place = tasks.Place(on, settings, int(os.environ["OMP_NUM_THREADS"]))
    name = paths.short_hash([name for name, _, _ in commands])  # another choice, another plan
    plan = tasks.of_commands(commands, root / f"launch-{name}", place)
    plan = watching.renew(plan, resume=True)
    watching.send(plan)
    for event in watching.watch(plan):
        if event["event"] == "note":
            print(event["text"], flush=True)
    for number, (row, seed) in enumerate(missing):
        spent = states.read(plan, number)
        if "wall" in spent:
            about = {key: spent[key] for key in ("wall", "cpu", "processor")}
            paths.write_json(row.folder(root, seed) / COST, about)
    return not states.failures(plan)


def processor() -> str:
    """The processor in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _stop(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, signal.SIG_IGN)  # `timeout` may tell twice
    raise SystemExit(128 + signum)  # ends the child too, and keeps its cost


def main() -> int:
    """Run what is missing, most telling first; write the page after every finished run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=PLANS, default="cpu", help="which plan")
    parser.add_argument("--on", default="here", help="here, slurm or ray: where the runs happen")
    parser.add_argument("--cluster", type=Path, help="TOML about the cluster: docs/scale.md")
    parser.add_argument("--folder", type=Path, help="default runs/real-cpu, or -cuda")
    parser.add_argument("--page", type=Path, help="default docs/results-cpu.md, or -cuda")
    parser.add_argument("--only", nargs="*", help="these rows")
    parser.add_argument("--plan", action="store_true", help="only show the commands")
    parser.add_argument("--table-only", action="store_true", help="only write the page")
    asked = parser.parse_args()
    device = asked.device
    root, rows = (asked.folder or Path(f"runs/real-{device}")).absolute(), PLANS[device]()
    target = asked.page or HERE.parent / f"docs/results-{device}.md"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the runs: one thread each
    signal.signal(signal.SIGTERM, _stop)
    well = True
    chosen = in_order([r for r in rows if not asked.only or r.name in asked.only])
    if asked.on != "here" and not asked.plan and not asked.table_only:
        well, chosen = elsewhere(chosen, root, asked.on, asked.cluster), []
    for row, seed in chosen:
        if asked.plan:
            print("segkit " + shlex.join(row.command(root, seed)))
        elif not asked.table_only and not done(row.folder(root, seed)):
            well &= carry_out(row, seed, root)
            paths.write_text(target, page(rows, root, device))
    if not asked.plan:
        paths.write_text(target, page(rows, root, device))
        print(target)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
