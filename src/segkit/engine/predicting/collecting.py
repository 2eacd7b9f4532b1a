"""The results of all parts as one table or file, written piece by piece."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from segkit.engine.predicting.folder import PictureDone
from segkit.engine.predicting.parts import FOLDER, ListingPart, MassJob, reports
from segkit.engine.predicting.storage import Storage


def collect(job: MassJob, parts: Sequence[ListingPart], new: int, seconds: float) -> dict[str, Any]:
    """Put the parts together; the facts of the whole, which `summary.json` keeps."""
    storage = Storage(job.out)
    if job.write == "files":
        _stream(storage, "predictions.csv", _tables(storage, parts))
    elif job.write == "coco":
        _stream(storage, "predictions.coco.json", _coco_pieces(storage, parts))
    notes = list(reports(job, parts))
    skipped = [pair for note in notes for pair in note["skipped"]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("file", "reason"), *skipped])
    if skipped:
        storage.write("skipped.csv", text.getvalue().encode())
    summary = {
        "model": job.model,
        "out": job.out,
        "write": job.write,
        "n": sum(note["n"] for note in notes) - len(skipped),
        "skipped": len(skipped),
        "parts": len(parts),
        "processes": len({(note["host"], note["pid"]) for note in notes}),
        "seconds_in_parts": round(sum(note["seconds"] for note in notes), 1),
        "memory_mb": max(note["memory_mb"] for note in notes),
        "this_time": {"n": new, "seconds": round(seconds, 1), "per_second": _rate(new, seconds)},
    }
    storage.write("summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 2) if count and seconds else None


def _stream(storage: Storage, name: str, pieces: Iterator[bytes]) -> None:
    """Write a large file without holding it, then put it in its place whole."""
    with tempfile.TemporaryDirectory(dir=storage.local) as folder:
        file = Path(folder) / name
        with open(file, "wb") as handle:
            handle.writelines(pieces)
        if storage.local is not None:
            file.chmod(0o644)
            file.replace(storage.local / name)
        else:
            storage.fs.put_file(str(file), storage.path(name))


def _tables(storage: Storage, parts: Sequence[ListingPart]) -> Iterator[bytes]:
    """The rows of all parts under one head."""
    for part in parts:
        data = storage.read(f"{FOLDER}/{part.name}.csv")
        yield data if part.number == 0 else data.partition(b"\n")[2]


def coco(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    done: Sequence[PictureDone],
    first: int,
    classes: Sequence[str],
) -> dict[str, Any]:
    """A part as a COCO document; ids count through the whole listing."""
    kinds = list(classes[1:]) if len(classes) > 1 else ["foreground"]
    images, annotations = [], []
    for position, one in enumerate(done):
        if not one.rows:
            continue
        number, row = first + position + 1, one.rows[0]
        size = {"height": row["height"], "width": row["width"]}
        images.append({"id": number, "file_name": row["file"], **size})
        annotations += [
            _annotation(row, number, number * len(kinds) + index, index + 1)
            for index, row in enumerate(one.rows)
            if row["area"]
        ]
    categories = [{"id": index, "name": name} for index, name in enumerate(kinds, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _annotation(row: Mapping[str, Any], image: int, number: int, kind: int) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": kind,
        "iscrowd": 0,
        "area": row["area"],
        "bbox": [row[key] for key in ("left", "top", "box_width", "box_height")],
        "score": row["confidence"],
        "segmentation": {"size": [row["height"], row["width"]], "counts": row["rle"]},
    }


def _coco_pieces(storage: Storage, parts: Sequence[ListingPart]) -> Iterator[bytes]:
    """One COCO document over all parts, which are read twice and never held together."""
    categories: list[dict[str, Any]] = []
    for key in ("images", "annotations"):
        yield f'{"{" if key == "images" else ", "}"{key}": ['.encode()
        comma = ""
        for part in parts:
            document = json.loads(storage.read(f"{FOLDER}/{part.name}.coco.json"))
            categories = document["categories"]
            for item in document[key]:
                yield (comma + json.dumps(item)).encode()
                comma = ",\n"
        yield b"]"
    yield f', "categories": {json.dumps(categories)}}}\n'.encode()


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A part's rows, masks as run lengths among them, as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    numbers = ("height", "width", "area", "parts", "left", "top", "box_width", "box_height")
    fields = [(name, pa.int64()) for name in numbers]
    fields += [(name, pa.float64()) for name in ("share", "confidence", "ms")]
    fields += [(name, pa.string()) for name in ("file", "class", "rle")]
    columns = {name: [_none(row[name]) for row in rows] for name, _ in fields}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns, pa.schema(fields)), buffer)
    return buffer.getvalue()


def _none(value: Any) -> Any:
    return None if value == "" else value
