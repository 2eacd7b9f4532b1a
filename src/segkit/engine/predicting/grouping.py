"""Which pictures may be in memory together: large ones are alone, too large ones are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from segkit.data import announced, memory

if TYPE_CHECKING:
    from segkit.engine.predicting.folder import Picture, PredictJob

RESULT, PLANE = 16, 8  # bytes a pixel at the peak: picture, mask, overlay; each probability


def groups(
    segmenter: Any, pictures: Sequence[Picture], job: PredictJob
) -> Iterator[Sequence[Picture]]:
    """Runs of small pictures; a large one is a group of its own: no other is in memory with it."""
    group: list[Picture] = []
    for picture in pictures:
        known = _cost(segmenter, picture, job)
        if known is not None and not memory.is_large(known, job.workers):
            group.append(picture)
            continue
        if group:
            yield group
        yield [picture]
        group = []
    if group:
        yield group


def check_cost(segmenter: Any, picture: Picture, job: PredictJob) -> None:
    """Refuse a picture that takes too much on its way from the file to the results."""
    known = _cost(segmenter, picture, job)
    if known is not None:  # else the decoder says what is wrong
        memory.check(known, "it and its results")


def _cost(segmenter: Any, picture: Picture, job: PredictJob) -> int | None:
    """The bytes that a picture takes; None where its header is not understood."""
    known = announced.of_file(picture.path)
    if known is None:
        return None
    planes = 1 if len(segmenter.classes) <= 2 else len(segmenter.classes)
    each = RESULT + PLANE * planes + (PLANE if job.probabilities or job.promises else 0)
    return max(known.cost, known.pixels * each)
