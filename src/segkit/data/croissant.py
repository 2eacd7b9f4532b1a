"""A prepared set described in Croissant 1.1, with the Responsible-AI fields that are known.

What nobody knows is left out, never guessed. Paths are relative to the prepared folder, so nothing
tells where on this machine the files came from. Stdlib only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.api import Dataset
from segkit.data import sources
from segkit.errors import SegkitError

FILE = "croissant.json"
CONFORMS = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
TERMS = (
    "citeAs column conformsTo equivalentProperty extract field fileProperty fileObject fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex "
    "repeated replace samplingRate separator source subField transform"
)
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{term: f"cr:{term}" for term in TERMS.split()},
    "conformsTo": "dct:conformsTo",
}
ARRAYS = {
    "images.npy": "The pictures, uint8 (N, H, W, 3), in the order of the manifest.",
    "masks.npy": "The masks, uint8 (N, H, W), class indices.",
    "details.npy": "Small grey pictures that copies are decided by, uint8 (N, 128, 128).",
    "thumbnails.npy": "Smaller ones that copies are found by, uint8 (N, 32, 32).",
}


def write(name: str) -> list[Path]:
    """The card of every prepared form of a dataset, beside its arrays."""
    dataset = sources.dataset(name)
    roots = sources.prepared_roots(name)
    if not roots:
        raise SegkitError(
            f"'{name}' is not prepared", "a card describes files", f"segkit data prepare {name}"
        )
    return [paths.write_json(root / FILE, describe(root, dataset)) for root in roots]


def describe(root: Path, dataset: Dataset) -> dict[str, Any]:
    """The document for one prepared form."""
    manifest = paths.read_json(root / "manifest.json")
    splits = {p: paths.read_json(p) for p in sorted((root / "splits").glob("*.json"))}
    made = datetime.fromtimestamp((root / "manifest.json").stat().st_mtime).date()
    facts = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS, RAI],
        "name": f"{manifest['name']}-{root.name}",
        "description": f"{dataset.title}. {dataset.summary}".strip(),
        "version": "1.0.0",
        "datePublished": made.isoformat(),
        "license": dataset.licence,
        "url": dataset.page,
        "citeAs": dataset.citation,
        "keywords": [word for word in (dataset.modality, "segmentation") if word],
        **_responsible(manifest, dataset, splits),
        "distribution": _files(root, splits),
        "recordSet": [_pictures(manifest), *_split_records(splits)],
    }
    return {key: value for key, value in facts.items() if value not in ("", [])}


def _responsible(
    manifest: Mapping[str, Any], dataset: Dataset, splits: Mapping[Path, Any]
) -> dict[str, Any]:
    """Croissant's RAI vocabulary, as far as the files and the catalogue answer it."""
    height, width = manifest["size"]
    steps = [
        f"resized to {height}x{width} pixels ({manifest['resize']})",
        f"variant {manifest['variant']}",
        *(f"{key}: {value}" for key, value in manifest["options"].items()),
    ]
    limits = [*dataset.defects, *_kept_out(manifest)]
    torn = [f"{p.name} tears {s['torn']} groups apart" for p, s in splits.items() if s.get("torn")]
    return {
        "rai:dataPreprocessingProtocol": steps,
        "rai:dataLimitations": [*limits, *torn],
        "rai:dataReleaseMaintenancePlan": dataset.terms,
    }


def _kept_out(manifest: Mapping[str, Any]) -> list[str]:
    found = []
    if manifest["problems"]:
        found.append(f"{len(manifest['problems'])} entries of the list of problems in the manifest")
    kinds: dict[str, int] = {}
    for pair in manifest["duplicates"]:
        kinds[pair["kind"]] = kinds.get(pair["kind"], 0) + 1
    return found + [f"{count} pairs of pictures: {kind}" for kind, count in sorted(kinds.items())]


def _files(root: Path, splits: Mapping[Path, Any]) -> list[dict[str, Any]]:
    files = [(root / name, ARRAYS[name], "application/x-npy") for name in ARRAYS]
    files.append((root / "manifest.json", "What each picture is.", "application/json"))
    files += [
        (p, f"Split {s['rule']}, hash {s['hash']}.", "application/json") for p, s in splits.items()
    ]
    return [_file(root, *entry) for entry in files if entry[0].is_file()]


def _file(root: Path, path: Path, text: str, kind: str) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": text,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": paths.sha256(path),
    }


def _pictures(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """One record for each picture, in the order of the arrays."""
    fields = [key for key in ("id", "part", "group", "cls") if _everywhere(manifest, key)]
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "key": {"@id": "pictures/id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"pictures/{key}",
                "name": key,
                "dataType": "sc:Text",
                "source": {
                    "fileObject": {"@id": "manifest.json"},
                    "extract": {"jsonPath": f"$.items[*].{key}"},
                },
            }
            for key in fields
        ],
    }


def _everywhere(manifest: Mapping[str, Any], key: str) -> bool:
    return all(item.get(key) is not None for item in manifest["items"])


def _split_records(splits: Mapping[Path, Any]) -> list[dict[str, Any]]:
    """Who is in which part, as counts with the hash that runs name."""
    keys = ("file", "hash", "fold", "part", "count")
    rows = [
        {
            "splits/file": f"splits/{path.name}",
            "splits/hash": split["hash"],
            "splits/fold": fold,
            "splits/part": part,
            "splits/count": len(ids),
        }
        for path, split in splits.items()
        for fold, parts in enumerate(split["folds"])
        for part, ids in parts.items()
    ]
    whole = ("fold", "count")
    fields: Sequence[dict[str, Any]] = [
        {
            "@type": "cr:Field",
            "@id": f"splits/{key}",
            "name": key,
            "dataType": "sc:Integer" if key in whole else "sc:Text",
        }
        for key in keys
    ]
    record = {"@type": "cr:RecordSet", "@id": "splits", "name": "splits", "field": fields}
    return [{**record, "data": rows}] if rows else []
