"""How often `segkit audit` is right: tables of real predictions, and the same with planted errors.

    python -m benchmarks.audit_tables --work /tmp/audit --tables 200

The networks in the box predict the test parts that they were never trained on (ISIC 2017, DSB2018;
both must be prepared at 256 pixels). Runs are these predictions at several thresholds, with and
without flips and cleaning; tables are made of 3 to 8 of them on 10 to all pictures by the code
behind `segkit report --format md|latex|csv`. None may give a finding; planted mixtures and errors
must. For what was missed, pictures are looked for that print the same table (audit_witness): where
there are some, no reader could have known. Prints the rates as Markdown.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from benchmarks.audit_errors import ERRORS, MIXTURES, Planted
from benchmarks.audit_witness import witness

from segkit import paths
from segkit.data.splitting.groups import groups_of
from segkit.data.store import PreparedSet
from segkit.engine.evaluating.cases_csv import write_cases
from segkit.engine.evaluating.evaluate import finite
from segkit.engine.evaluating.seen import find_prepared
from segkit.engine.evaluating.summary import document, resampler
from segkit.engine.evaluating.tune import CLEANINGS
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import open_run
from segkit.metrics import cases
from segkit.metrics.auditing.audit import audit_text
from segkit.metrics.auditing.tables import parse_table
from segkit.report.text import as_text

NETWORKS = {"isic2017": "dermoscopy", "dsb2018": "nuclei"}
THRESHOLDS = (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85)
SIZES = (10, 20, 50, 104, 180, 350, 600)
KINDS = ("md", "latex", "csv")
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Variant:
    """One way to make masks of a network's probabilities."""

    data: str
    tta: str
    threshold: float
    cleaning: str

    @property
    def name(self) -> str:
        return f"{NETWORKS[self.data]}-{self.tta}-{self.threshold:g}-{self.cleaning}"


def variants(data: str) -> list[Variant]:
    """All ways; vessels of nuclei are many parts, so only lesions are cleaned."""
    cleanings = ("none", "largest") if data == "isic2017" else ("none", "fill")
    return [
        Variant(data, t, h, c) for t in ("none", "flips") for h in THRESHOLDS for c in cleanings
    ]


@cache
def prepared_set(data: str) -> tuple[PreparedSet, tuple[str, ...]]:
    """The set and the test part of its network in the box."""
    run = open_run(NETWORKS[data])
    found = find_prepared(run)
    if found is None:
        raise SystemExit(f"{data} is not prepared at 256 pixels: segkit data prepare {data}")
    return found, tuple(run.split.folds[0].test)


def probabilities(data: str, tta: str, work: Path) -> np.ndarray:
    """Foreground probabilities of the test part, kept as bytes between calls."""
    file = work / f"{data}-{tta}.npy"
    if not file.is_file():
        prepared, ids = prepared_set(data)
        segmenter = Segmenter.from_run(NETWORKS[data], device="cpu", tta=tta)
        parts = []
        for start in range(0, len(ids), 16):
            rows = [prepared.index(name) for name in ids[start : start + 16]]
            found = segmenter.probabilities(np.stack([prepared.images[row] for row in rows]))
            parts.append(np.rint(255 * found[:, -1].numpy()).astype(np.uint8))
        np.save(file, np.concatenate(parts))
    return np.asarray(np.load(file))


def measured(variant: Variant, work: Path) -> Columns:
    """Every case of a variant, measured as `segkit evaluate` measures it."""
    file = work / f"{variant.name}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as stored:
            return {name: _text(stored[name]) for name in stored.files}
    prepared, ids = prepared_set(variant.data)
    maps = probabilities(variant.data, variant.tta, work)
    columns = cases.join(_measured(variant, prepared, ids, maps))
    np.savez(file, **{k: v.astype(str) if v.dtype == object else v for k, v in columns.items()})
    return measured(variant, work)


def _text(values: np.ndarray) -> np.ndarray:
    return values.astype(object) if values.dtype.kind == "U" else values


def _measured(
    variant: Variant, prepared: PreparedSet, ids: tuple[str, ...], maps: np.ndarray
) -> Iterator[Columns]:
    clean, groups = CLEANINGS[variant.cleaning], groups_of(prepared, None)
    for start in range(0, len(ids), 50):
        chosen = ids[start : start + 50]
        rows = [prepared.index(name) for name in chosen]
        front = maps[start : start + 50] / np.float32(255)
        masks = np.stack([clean(one > variant.threshold) for one in front]).astype(np.uint8)
        truth = np.stack([prepared.masks[row] for row in rows])
        images = np.stack([prepared.images[row] for row in rows])
        items = [prepared.items[row] for row in rows]
        many = len(chosen)
        facts: Columns = {
            "id": np.array(chosen, dtype=object),
            "group": np.array([groups.get(name, name) for name in chosen], dtype=object),
            "part": np.array([""] * many, dtype=object),
            "cls": np.array([""] * many, dtype=object),
            "height": np.array([item["height"] for item in items]),
            "width": np.array([item["width"] for item in items]),
            "fold": np.zeros(many, int),
            "seed": np.array(["0"] * many, dtype=object),
            "ms": np.ones(many),
        }
        yield {**facts, **cases.measure(masks, truth, front, images)}


def write_run(folder: Path, variant: Variant, columns: Columns) -> Path:
    """A run folder as `segkit evaluate` leaves it: cases, summary, recipe, data."""
    source = open_run(NETWORKS[variant.data]).path
    (folder / "fold0").mkdir(parents=True)
    for name in ("recipe.json", "data.json", "environment.json"):
        shutil.copy(source / name, folder / name)
    paths.write_json(folder / "fold0" / "fold.json", {"best_epoch": 1, "score": 0.0})
    write_cases(folder / "fold0" / "cases.csv", columns, "val")
    head = {
        "run": str(folder),
        "data": variant.data,
        "trained_on": variant.data,
        "split": "test",
        "selection": "val",
        "at": "prepared",
        "size": [256, 256],
    }
    made = document(head, columns, ("background", "foreground"), None, resampler(columns))
    paths.write_json(folder / "summary.json", finite(made))
    return folder


def table_runs(seed: int, work: Path) -> list[Path]:
    """The runs of one table: 3 to 8 variants on one set, on the same pictures."""
    root = work / "tables" / f"{seed:03d}"
    if (root / "done").is_file():
        return distinct(sorted(path.parent for path in root.glob("*/recipe.json")))
    shutil.rmtree(root, ignore_errors=True)
    generator = np.random.default_rng(seed)
    data = str(generator.choice(list(NETWORKS)))
    there = len(prepared_set(data)[1])
    many = int(generator.choice([size for size in SIZES if size <= there]))
    pick = np.sort(generator.choice(there, many, replace=False))
    chosen = generator.choice(len(variants(data)), int(generator.integers(3, 9)), replace=False)
    for place in sorted(chosen):
        variant = variants(data)[place]
        columns = {name: values[pick] for name, values in measured(variant, work).items()}
        write_run(root / variant.name, variant, columns)
    (root / "done").touch()
    return table_runs(seed, work)


def distinct(runs: list[Path]) -> list[Path]:
    """Without runs that print the figures of another (cleaning may change nothing): the audit says
    of two such rows, rightly, that they are the same.
    """
    found: dict[tuple[float, ...], Path] = {}
    for run in runs:
        metrics = paths.read_json(run / "summary.json")["metrics"]
        names = ("dice_image", "iou_image", "dice_pooled")
        found.setdefault(tuple(round(metrics[name]["mean"], 3) for name in names), run)
    return list(found.values())


def findings(text: str) -> list[str]:
    """Everything that the audit says of a table."""
    made = audit_text(text)
    return [*made["table"], *(line for row in made["rows"] for line in row["findings"])]


def clean_tables(many: int, work: Path) -> tuple[int, int, list[str]]:
    """Tables and cells of scores read, and what was found in them: nothing, it should be."""
    tables = read = 0
    wrong = []
    for seed in range(many):
        runs = table_runs(seed, work)
        for kind in KINDS:
            text = as_text(runs, kind, cost=False)
            found = findings(text)
            wrong += [f"table {seed} as {kind}: {line}" for line in found]
            rows = audit_text(text)["rows"]
            read += sum(len(row["columns"]) for row in rows)
            tables += 1
    return tables, read, wrong


def planted_rates(
    planted: dict[str, tuple[Callable[..., str | None], int]], work: Path, tables: int
) -> dict[str, Counter[str]]:
    """For each kind of error: planted, found; each in another table and format."""
    rates: dict[str, Counter[str]] = {}
    for kind, (plant, wanted) in planted.items():
        rate = rates.setdefault(kind, Counter())
        for number in range(10 * tables):
            if rate["planted"] == wanted:
                break
            generator = np.random.default_rng([number, wanted, len(kind)])
            runs = table_runs(number % tables, work)
            text = plant(Planted(tuple(runs), generator))
            if text is None:
                continue  # this table has no place for such an error
            rate["planted"] += 1
            seen = bool(findings(text))
            rate["found"] += seen
            if not seen:
                rows = [row for row in parse_table(text).rows if row.aggregation != "pooled"]
                rate["possible"] += all(witness(row) is not None for row in rows)
                paths.write_text(work / "missed" / f"{kind[:40]}-{number}.txt", text)
    return rates


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a folder for what is in between")
    parser.add_argument("--tables", type=int, default=200)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    tables, read, wrong = clean_tables(asked.tables, asked.work)
    print(f"{tables} tables ({asked.tables} in {', '.join(KINDS)}), {read} figures read: ", end="")
    print(f"{len(wrong)} findings")
    for line in wrong:
        print(f"- {line}")
    for title, planted in (("mixtures", MIXTURES), ("errors", ERRORS)):
        rates = planted_rates(planted, asked.work, asked.tables)
        total = sum((rate for rate in rates.values()), Counter[str]())
        print(f"\n| {title} | planted | found | missed, but possible |\n|---|---:|---:|---:|")
        for kind, rate in rates.items():
            print(f"| {kind} | {rate['planted']} | {rate['found']} | {rate['possible']} |")
        print(f"| all | {total['planted']} | {total['found']} | {total['possible']} |")


if __name__ == "__main__":
    main()
