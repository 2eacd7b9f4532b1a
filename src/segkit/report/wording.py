"""The field's words: report and tables in the terms of CLAIM 2024, where a journal asks for them.

CLAIM's update (Tejani et al., Radiology: Artificial Intelligence 2024, 6(4):e240300) asks for
"reference standard" instead of ground truth, for training, tuning and testing sets, and for
internal and external testing instead of validation. Stdlib only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from segkit.errors import UsageError


class Words(StrEnum):
    """Whose words a report is written in."""

    plain = "plain"
    claim = "claim"


INTERNAL = "Internal testing: pictures of a run's own dataset that were kept out of its training."
EDGE = r"(?<![\w/.\-]){}(?![\w/\-])"  # not inside names, paths and flags
CLAIM = (
    ("test part!", "testing set!"),
    ("zero-shot", "external testing"),
    ("ground truth", "reference standard"),
    ("truth", "reference standard"),
    ("test part", "testing set"),
    ("test parts", "testing sets"),
    ("test pictures", "pictures of the testing set"),
    ("test picture", "picture of the testing set"),
    ("test set", "testing set"),
    ("validation part", "tuning set"),
    ("validation set", "tuning set"),
    ("validation", "tuning set"),
    ("training part", "training set"),
    ("selection: val", "selection: tuning set"),
    ("selection: test", "selection: testing set"),
)
RULES = tuple(
    (re.compile(EDGE.format(re.escape(old)), re.IGNORECASE), new)
    for old, new in sorted(CLAIM, key=lambda pair: -len(pair[0]))
)
KEPT = re.compile(r"(<script.*?</script>|<style.*?</style>|<pre.*?</pre>|<[^>]*>)", re.DOTALL)


def in_words(text: str, words: Words | str) -> str:
    """A text in the asked words; names of runs, files and options stay."""
    return _claim(text) if words == Words.claim else text


def page_in_words(page: str, words: Words | str) -> str:
    """An HTML page in the asked words: what a person reads, no markup, script or command."""
    if words != Words.claim:
        return page
    pieces = KEPT.split(page)
    return "".join(piece if place % 2 else _claim(piece) for place, piece in enumerate(pieces))


def _claim(text: str) -> str:
    for pattern, new in RULES:
        text = pattern.sub(_cased(new), text)
    return text


def _cased(new: str) -> Callable[[re.Match[str]], str]:
    """A capital where the old words had one."""

    def put(found: re.Match[str]) -> str:
        return new[0].upper() + new[1:] if found.group()[0].isupper() else new

    return put


def testing(data: str, trained_on: str) -> str:
    """Internal on the dataset that a run was trained on, external on any other."""
    return "internal testing" if data == trained_on else "external testing"


def check(words: str) -> Words:
    """`--words claim`, or an error that names what there is."""
    if words not in list(Words):
        raise UsageError(f"--words is '{words}'", f"allowed: {', '.join(Words)}")
    return Words(words)
