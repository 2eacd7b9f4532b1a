"""What a column's header says: which score, averaged how, on which dataset. Stdlib only."""

from __future__ import annotations

import re
from dataclasses import dataclass

ALIASES = {
    "dice": "dice dsc dc f1 mdice mdsc dsc/f1",
    "iou": "iou miou jaccard jac ji jsc mjaccard ja",
    "acc": "acc accuracy",
    "mae": "mae",
    "pre": "pre prec precision p ppv",
    "sen": "sen sens se sensitivity recall rec r tpr",
    "spe": "spe spec sp specificity tnr",
}
METRICS = {alias: name for name, aliases in ALIASES.items() for alias in aliases.split()}
IMAGE, POOLED = "per-image", "pooled"
WORDS = {
    POOLED: r"pooled|micro|global|all[ _-]pixels|dataset[ _-]level",
    IMAGE: r"per[ _-]?(?:image|picture|case|patient)s?|(?:image|case|picture)[ _-]?(?:wise|level)"
    r"|(?<=_)image|(?<=\()image",
}
PARTS = {"low": r"low|lower|ci95_low|ci_low", "high": r"high|upper|ci95_high|ci_high"}
# scores that no arithmetic here reaches
UNCHECKED = re.compile(
    r"^(?:hd|hd95|95hd|assd|asd|nsd|boundary ?iou|biou|cldice|ece|ace|mce|brier|auc\w*|kappa|mcc"
    r"|object.*|pq|rq|sq|aji|betti.*|dice ?soft|mae ?soft|p|p ?value|sd|std)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Heading:
    """A column of scores: its metrics (several in `DSC/IoU`), aggregation, dataset, and whether
    it is an end of an interval (`dice_image_low`).
    """

    metrics: tuple[str, ...]
    words: tuple[str, ...]
    aggregation: str = ""
    place: str = ""
    part: str = ""


def plain(header: str) -> str:
    """A header without arrows, units and markup."""
    return re.sub(r"\(.*?\)|\[.*?\]|[↑↓%*_`]", " ", header).strip()


def metric(word: str) -> str | None:
    """The metric that a word or two stand for: Dice, `F1-Score`, `Jaccard index`, `Sens.`."""
    bare = re.sub(r"[\s.\-]", "", plain(word).lower())
    short = re.sub(r"(?<=.)(?:scores?|index|coefficients?|coeff?|rate)$", "", bare)
    return METRICS.get(bare) or METRICS.get(short)


def heading(header: str) -> Heading | None:
    """What a header says; None where the column is no score that can be checked."""
    part, text = _part(header)
    aggregation, text = _aggregation(text)
    words = re.sub(r"^(?:mean|average|avg\.?)\s+", "", plain(text), flags=re.IGNORECASE).split()
    two = len(words) > 1 and metric(" ".join(words[-2:])) and not metric(words[-1])
    last = 2 if two else 1
    names, place = " ".join(words[-last:]).split("/"), " ".join(words[:-last])
    found = [metric(word) for word in names]
    if not words or not all(found):
        return None
    metrics = tuple(str(name) for name in found)
    return Heading(metrics, tuple(names), aggregation, place, part)


def _part(header: str) -> tuple[str, str]:
    for part, words in PARTS.items():
        found = re.search(rf"[ _](?:{words})$", header.strip(), re.IGNORECASE)
        if found:
            return part, header.strip()[: found.start()]
    return "", header


def _aggregation(header: str) -> tuple[str, str]:
    """Pooled or per image, where the header says so, and the header without it."""
    for name, words in WORDS.items():
        found = re.search(rf"(?<![a-z])(?:{words})(?![a-z])", header, re.IGNORECASE)
        if found:
            return name, header[: found.start()] + " " + header[found.end() :]
    return "", header


def is_unchecked(header: str) -> bool:
    """Whether a column is a score of another kind: a distance, a calibration error."""
    text = _aggregation(_part(header)[1])[1]
    return bool(UNCHECKED.match(plain(text)))
