"""Any folder becomes a dataset: globs, a CSV of pairs, train/val trees, COCO or LabelMe
annotations.

Nothing is written before the pairs are known and shown. The pictures stay where they are unless
they are copied; annotations are drawn into mask files once.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segkit import paths, plugins
from segkit.data import tables
from segkit.data.pairing import IMAGE_SUFFIXES, Pair, is_junk
from segkit.errors import SegkitError, UsageError

ANNOTATIONS = ("coco", "labelme", "geojson", "yolo", "labelstudio", "cvat")
LAYOUTS = ("globs", "csv", "train-val-folders", *ANNOTATIONS)
MASK_WORDS = (
    r"(?:[_\-. ](?:mask|masks|segmentation|seg|gt|label|labels|lesion|groundtruth|annotation"
    r"|manual))(?:[_\-]?\d+)?$"
)
IMAGE_WORDS = r"(?:[_\-. ](?:image|img|rgb|input|sat|orig|original))$"
PART_WORDS = r"[_\-](?:test|training)$"  # DRIVE names its pictures after their part
IMAGE_PREFIXES = r"^(?:image|img|input|orig|original)[_\-. ]"
PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Proposal:
    """What an import would write: shown first."""

    name: str
    pairs: tuple[Pair, ...]
    classes: tuple[str, ...] = ("background", "foreground")
    origin: str = ""
    notes: tuple[str, ...] = ()
    draw: Callable[[Path], None] | None = None  # writes masks that annotations describe
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> list[Pair]:
        """Pairs with a picture and a mask."""
        return [pair for pair in self.pairs if pair.image and pair.masks]

    @property
    def single(self) -> list[Pair]:
        """Pictures without a mask and masks without a picture."""
        return [pair for pair in self.pairs if not (pair.image and pair.masks)]


def pairs(root: Path, options: Mapping[str, str]) -> list[Pair]:
    """The pairs of an imported dataset, as it was confirmed."""
    listed = paths.read_json(root / "pairs.json")
    return [Pair(**{**entry, "masks": tuple(entry["masks"]), "others": ()}) for entry in listed]


def check_name(name: str) -> None:
    """A name of its own: letters, digits, dots, dashes; not one of the catalogue."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"dataset name '{name}'", "letters, digits, '.', '-' and '_' are allowed")
    if name in plugins.names("datasets"):
        raise UsageError(
            f"'{name}' is a dataset of the catalogue",
            "an import needs a name of its own",
            f"Official archives of it: segkit data fetch {name} --from PATH",
        )


def from_globs(name: str, images: str, masks: str, decode: str = "union") -> Proposal:
    """Pairs by base name; suffixes like _mask or _segmentation and mask numbers are looked
    through.
    """
    pictures, truths = _expand(images), _expand(masks)
    if not pictures or not truths:
        what = "--images" if not pictures else "--masks"
        raise UsageError(f"{what} matches no file", f"{what} {images if not pictures else masks!r}")
    both = set(pictures) & set(truths)
    pictures = [path for path in pictures if path not in both]  # `*.png` also caught the masks
    matched = _match(pictures, truths)
    return Proposal(
        name,
        tuple(replace(pair, decode=decode) for pair in matched),
        origin=f"--images {images!r} --masks {masks!r}",
        notes=(f"{len(both)} files match both patterns: taken as masks",) if both else (),
    )


def _expand(pattern: str) -> list[str]:
    """The files of a glob (`**` goes deep), or of a folder."""
    place = Path(pattern).expanduser()
    pattern = str(place / "**" / "*") if place.is_dir() else str(place)
    found = sorted(glob.glob(pattern, recursive=True))
    return [
        str(Path(name).resolve())
        for name in found
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and not is_junk(Path(name).as_posix())
    ]


def _match(pictures: Sequence[str], truths: Sequence[str], part: str = "all") -> list[Pair]:
    """Pictures with all masks of their key; what is left over stays in the list."""
    keys = {_image_key(name): name for name in pictures}
    if len(keys) < len(pictures):  # the same base name in several folders: the folder joins the id
        _refuse_twice_in_a_folder(pictures)
        return _match_in_folders(pictures, truths, part)
    masks: dict[str, list[str]] = {}
    short = _without_prefix(keys)
    for name in truths:
        masks.setdefault(_mask_key(name, keys, short), []).append(name)
    return [
        Pair(key, keys.get(key), tuple(masks.get(key, ())), part=part)
        for key in sorted({*keys, *masks})
    ]


def _refuse_twice_in_a_folder(pictures: Sequence[str]) -> None:
    """x.png beside x.jpg: which of them is the picture?"""
    seen: dict[tuple[Path, str], str] = {}
    for name in pictures:
        other = seen.setdefault((Path(name).parent, _image_key(name)), name)
        if other != name:
            raise SegkitError(
                f"two pictures are called '{_image_key(name)}'",
                f"{other} and {name}",
                "Narrow the pattern, for example '*.jpg', or use --csv (columns id, image, mask).",
            )


def _match_in_folders(pictures: Sequence[str], truths: Sequence[str], part: str) -> list[Pair]:
    """One matching per pair of sibling folders, ids prefixed with what tells the folders apart."""
    by_folder = _by_folder(pictures)
    mask_folders = _by_folder(truths)
    if len(by_folder) != len(mask_folders) or len(by_folder) == 1:
        raise SegkitError(
            "pictures of one base name lie in several folders, and masks are not in folders alike",
            f"{len(by_folder)} folders of pictures, {len(mask_folders)} of masks",
            "Import them with --csv (columns id, image, mask).",
        )
    found = []
    for label, one, other in _zip_folders(by_folder, mask_folders):
        found += [
            replace(p, id=f"{label}/{p.id}")
            for p in _match(by_folder[one], mask_folders[other], part)
        ]
    return found


def _zip_folders(one: Iterable[str], other: Iterable[str]) -> list[tuple[str, str, str]]:
    """Folders side by side in sorted order, each with a label that is unique."""
    first, second = sorted(one), sorted(other)
    parts = [Path(name).parts for name in first]
    place = next(k for k in range(len(parts[0])) if len({p[k : k + 1] for p in parts}) > 1)
    return [
        ("_".join(p[place : place + 1]) or "top", a, b)
        for p, a, b in zip(parts, first, second, strict=True)
    ]


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(str(Path(name).parent), []).append(name)
    return found


def _image_key(name: str) -> str:
    return re.sub(IMAGE_WORDS, "", Path(name).stem, flags=re.IGNORECASE)


def _without_prefix(keys: Iterable[str]) -> dict[str, str]:
    """Short forms of keys like img_001 and 01_test, as masks called mask_001 and 01_manual1 have
    them; none doubtful.
    """
    found: dict[str, str] = {}
    doubtful = set()
    for key in keys:
        short = re.sub(IMAGE_PREFIXES, "", key, flags=re.IGNORECASE)
        short = re.sub(PART_WORDS, "", short, flags=re.IGNORECASE)
        if found.setdefault(short, key) != key:
            doubtful.add(short)
    return {short: key for short, key in found.items() if short not in doubtful}


def _mask_key(name: str, known: Mapping[str, str], shorter: Mapping[str, str]) -> str:
    """The picture that a mask is named after: as it is, without its prefix or suffix word, or a
    last number taken off.
    """
    stem = Path(name).stem
    short = re.sub(MASK_WORDS, "", stem, flags=re.IGNORECASE)
    candidates = (
        stem,
        short,
        re.sub(r"^(?:mask|gt|label|seg)[_\-]", "", stem, flags=re.IGNORECASE),
        re.sub(r"[_\-]\d+$", "", short),
        _image_key(short),
    )
    for key in candidates:
        if key in known:
            return key
    for key in candidates:
        if key in shorter:
            return shorter[key]
    return short


def from_csv(name: str, table: Path, decode: str = "union") -> Proposal:
    """A CSV with columns image and mask (several masks: `;`), and perhaps id, part, group,
    class.
    """
    rows = tables.read_rows(table, ("image", "mask"), "table of pairs")
    found = [_row(table.parent.resolve(), row, decode) for row in rows]
    twice = sorted(_twice(found))
    if twice:
        raise UsageError(
            f"{table} has {len(twice)} ids twice",
            f"first '{twice[0]}'",
            "Give each picture an id of its own in a column 'id'; several masks go in one row, "
            "separated by ';'.",
        )
    absent = [p for p in found if not all(map(_is_there, (p.image, *p.masks)))]
    notes = (f"files of {len(absent)} rows do not exist, first '{absent[0].id}'",) if absent else ()
    if len(absent) == len(found):
        raise UsageError(
            f"{table} names no file that exists",
            f"looked for {found[0].image}",
            "Paths are relative to the table.",
        )
    return Proposal(name, tuple(found), origin=f"--csv {table}", notes=notes)


def _is_there(name: str | None) -> bool:
    return name is None or Path(name).is_file()


def _row(folder: Path, row: Mapping[str, str], decode: str) -> Pair:
    masks = [m.strip() for m in (row.get("mask") or "").split(";") if m.strip()]
    image = (row.get("image") or "").strip()
    return Pair(
        id=(row.get("id") or "").strip() or Path(image).stem,
        image=str(folder / image) if image else None,
        masks=tuple(str(folder / mask) for mask in masks),
        part=(row.get("part") or "").strip() or "all",
        group=(row.get("group") or "").strip() or None,
        cls=(row.get("class") or "").strip() or None,
        decode=decode,
    )


def from_parts(name: str, folder: Path, decode: str = "union") -> Proposal:
    """`{train,val,test}/{images,masks}/…` trees, such as the 7:3 archives in circulation."""
    found: list[Pair] = []
    for place in sorted(path for path in folder.rglob("*") if path.is_dir()):
        part = PARTS.get(place.name.lower())
        if part is None:
            continue
        pictures, truths = (
            _side(place, ("images", "image", "img", "imgs", "inputs")),
            _side(place, ("masks", "mask", "labels", "label", "gt", "targets", "annotations")),
        )
        if pictures and truths:
            found += _match(pictures, truths, part)
    if not found:
        raise UsageError(
            f"{folder} is no train/val tree",
            "expected train/images, train/masks, val/images, val/masks",
        )
    twice = _twice(found)
    named = [
        replace(p, id=f"{p.part}/{p.id}" if p.id in twice else p.id, decode=decode) for p in found
    ]
    if any(pair.part == "test" for pair in named):
        return Proposal(name, tuple(named), origin=str(folder))
    note = "there is no test folder: 'val' is taken as the official test part, papers report on it"
    named = [replace(p, part="test" if p.part == "val" else p.part) for p in named]
    return Proposal(name, tuple(named), origin=str(folder), notes=(note,))


def _twice(found: Sequence[Pair]) -> set[str]:
    return {name for name, count in Counter(pair.id for pair in found).items() if count > 1}


def _side(place: Path, names: Sequence[str]) -> list[str]:
    folders = [path for path in place.iterdir() if path.is_dir() and path.name.lower() in names]
    return [file for path in folders for file in _expand(str(path))]
