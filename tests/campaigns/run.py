"""Hostile inputs for a while: `python tests/campaigns/run.py --minutes 20`.

Every attack follows from its seed. A fault is printed and saved below `build/campaign`;
`--replay FILE` runs it again. `--tally FILE` keeps what was tried, so that a campaign which was
stopped goes on with the next seeds. `--show A,B+C` prints the table of tallies and tries
nothing: what B has tried anew after a mend stands for what A had; B and C, which ran beside each
other with seeds of their own, count together. `--docs FILE` puts the table into a page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import reduce
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]

import hostile  # noqa: E402
import run_folders  # noqa: E402
from try_archives import Archives  # noqa: E402
from try_files import Checkpoints, Onnx, RunFolders  # noqa: E402
from try_kills import Kills  # noqa: E402
from try_more import Downloads, FullDisk, Lines  # noqa: E402
from try_pictures import Pictures  # noqa: E402

KINDS = (Kills, Downloads, Pictures, RunFolders, Archives, Checkpoints, Onnx, Lines, FullDisk)
MARK = "<!-- the table of the campaign -->"


@dataclass
class Score:
    """What came of one kind."""

    seeds: int = 0
    count: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    peak: int = 0
    first: list[int] = field(default_factory=list)  # where the seeds began
    codes: list[str] = field(default_factory=list)  # the commits that were tried

    def __add__(self, beside: Score) -> Score:
        faults, first = self.faults + beside.faults, self.first + beside.first
        codes = [*self.codes, *(code for code in beside.codes if code not in self.codes)]
        seeds, count = self.seeds + beside.seeds, self.count + beside.count
        return Score(seeds, count, faults, max(self.peak, beside.peak), first, codes)


class Tally:
    """What a campaign has tried so far; with a file, what its former sittings tried too."""

    def __init__(self, file: Path | None = None):
        self.file, self.minutes = file, 0.0
        self.scores: dict[str, Score] = {}
        if file is not None and file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            self.minutes = kept["minutes"]
            self.scores = {title: Score(**score) for title, score in kept["scores"].items()}

    def followed_by(self, later: Tally) -> Tally:
        """Both together; what the later one tried anew stands for what was tried before."""
        self.minutes += later.minutes
        self.scores |= later.scores
        return self

    def beside(self, other: Tally) -> Tally:
        """Both together: they had the same code and other seeds."""
        self.minutes += other.minutes
        for title, score in other.scores.items():
            self.scores[title] = self.scores.get(title, Score()) + score
        return self

    def keep(self, minutes: float = 0) -> None:
        """Write it whole: a campaign may be killed too."""
        if self.file is None:
            return
        scores = {title: asdict(score) for title, score in self.scores.items()}
        aside = self.file.with_suffix(".new")
        aside.write_text(json.dumps({"minutes": self.minutes + minutes, "scores": scores}))
        aside.replace(self.file)


def code() -> str:
    """The commit that is tried; with a plus where files differ from it."""
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    said = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return said.stdout.strip() or "unknown"


def world(folder: Path) -> Path:
    """Two scored runs, some pictures and pairs, which all kinds share."""
    import numpy as np
    from PIL import Image

    runs = run_folders.make_runs(folder)
    dice = np.random.default_rng(0)
    for name in ("pictures", "pairs/images", "pairs/masks"):
        (folder / name).mkdir(parents=True)
    for number in range(6):
        picture = Image.fromarray(dice.integers(0, 255, (40, 48, 3), dtype=np.uint8))
        mask = Image.fromarray((dice.random((40, 48)) > 0.5).astype(np.uint8) * 255)
        picture.save(folder / "pictures" / f"{number}.png")
        picture.save(folder / "pairs/images" / f"{number}.png")
        mask.save(folder / "pairs/masks" / f"{number}.png")
    return runs


def campaign(
    folder: Path,
    minutes: float,
    seed: int,
    kinds: tuple[type, ...] = KINDS,
    share: float = 1,
    tally: Tally | None = None,
) -> dict[str, Score]:
    """The kinds in turn, the one that is furthest behind first, until time or quotas are over."""
    hostile.preload()
    runs = world(folder)
    made = [kind(runs) for kind in kinds]
    tally = tally or Tally()
    scores = tally.scores
    tried_code = code()
    for one in made:
        scores.setdefault(one.title, Score(first=[seed]))
    begun = time.monotonic()
    while (spent := time.monotonic() - begun) < 60 * minutes:
        tally.keep(spent / 60)
        one = min(made, key=lambda kind: scores[kind.title].seeds / (kind.quota * share))
        score = scores[one.title]
        if score.seeds >= one.quota * share:
            break
        if tried_code not in score.codes:
            score.codes.append(tried_code)
        tried = attempt(one, seed + score.seeds, folder / "work")
        for fault in tried.faults:
            score.faults.append((seed + score.seeds, fault))
            report(type(one).__name__, seed + score.seeds, fault)
        score.seeds += 1
        score.count += tried.count
        score.peak = max(score.peak, tried.peak)
    tally.minutes += (time.monotonic() - begun) / 60
    tally.keep()
    return scores


def attempt(one: hostile.Campaign, seed: int, work: Path) -> hostile.Tried:
    """One seed in an empty folder."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    home = os.environ["SEGKIT_HOME"]
    try:
        return one.attack(seed, work)
    finally:
        os.environ["SEGKIT_HOME"] = home


def report(kind: str, seed: int, fault: str) -> None:
    """A fault, said and saved."""
    folder = Path("build/campaign")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}-{seed}.json"
    file.write_text(json.dumps({"kind": kind, "seed": seed, "fault": fault}, indent=1))
    print(f"{file}: {fault!r}"[:600], flush=True)


def table(tally: Tally, made: dict[str, str]) -> str:
    """The figures as Markdown."""
    lines = [
        "| what | how often | faults | highest memory above the start | seeds from | code |",
        "|---|---|---|---|---|---|",
    ]
    for title, score in tally.scores.items():
        amount = f"{score.count:,} {made[title]} ({score.seeds} seeds)"
        figures = (
            f"{len(score.faults)} | {score.peak >> 20} MB | {', '.join(map(str, score.first))}"
        )
        lines.append(f"| {title} | {amount} | {figures} | {', '.join(score.codes)} |")
    bound = (hostile.BOUND + hostile.BESIDE) >> 20
    return "\n".join(
        [*lines, "", f"{date.today()}: {tally.minutes:.0f} minutes; bound {bound} MB."]
    )


def into_page(page: Path, text: str) -> None:
    """The table between its two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(MARK)
    after = rest.partition(MARK)[2]
    page.write_text(f"{before}{MARK}\n{text}\n{MARK}{after}", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of kinds, with commas")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--tally", type=Path, help="goes on where an earlier campaign stopped")
    parser.add_argument("--show", help="print the table of tallies, try nothing")
    return parser.parse_args()


def carry_out(chosen: argparse.Namespace) -> Tally:
    """Try what was asked for."""
    kinds = tuple(k for k in KINDS if not chosen.only or k.__name__ in chosen.only.split(","))
    seed, share = chosen.seed, 1.0
    if chosen.replay:
        saved = json.loads(chosen.replay.read_text())
        kinds = tuple(kind for kind in KINDS if kind.__name__ == saved["kind"])
        seed, share = saved["seed"], 1 / kinds[0].quota
    tally = Tally(chosen.tally)
    with tempfile.TemporaryDirectory() as folder:
        campaign(Path(folder), chosen.minutes, seed, kinds, share, tally)
    return tally


def shown(files: str) -> Tally:
    """The tallies of `A,B+C` as one."""
    sittings = [[_kept(Path(file)) for file in text.split("+")] for text in files.split(",")]
    return reduce(Tally.followed_by, [reduce(Tally.beside, sitting) for sitting in sittings])


def _kept(file: Path) -> Tally:
    if not file.is_file():
        raise SystemExit(f"there is no tally {file}")
    return Tally(file)


def main() -> int:
    chosen = arguments()
    if chosen.show:
        tally = shown(chosen.show)
    else:
        tally = carry_out(chosen)
    text = table(tally, {kind.title: kind.lists for kind in KINDS})
    print(text)
    if chosen.docs:
        into_page(chosen.docs, text)
    return int(any(score.faults for score in tally.scores.values()))


if __name__ == "__main__":
    sys.exit(main())
