"""The cases of a run for the browser: picture, truth and probability as PNG, made on demand."""

from __future__ import annotations

import math
import threading
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np

from segkit.data.store import PreparedSet
from segkit.engine import certificate
from segkit.engine.certificate import Certificate
from segkit.engine.predicting import promises
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import FoldDir, Run
from segkit.errors import SegkitError
from segkit.report.finding import find_prepared, inside
from segkit.report.maps import network_maps, over
from segkit.report.reading import read_cases

SHOWN = ("dice", "iou", "hd95", "area_truth", "confidence", "expected_dice")
REMEMBERED = 64  # pictures whose probabilities are kept


class Cases:
    """The scored cases of a run, by their place in a list. Reads only."""

    def __init__(self, run: Run, device: str = "auto"):
        self.run, self.device = run, device
        self.prepared = _prepared(run)
        known = set(self.prepared.ids)
        scored = [(fold, row) for fold in run.folds for row in read_cases(fold)]
        self._rows = [(fold, row) for fold, row in scored if row["id"] in known]
        if not self._rows:
            raise SegkitError(
                f"{run.path} has no scored cases", None, f"Run: segkit evaluate {run.path}"
            )
        self._segmenters: dict[FoldDir, Segmenter] = {}
        self._lock = threading.Lock()  # one picture through the network at a time
        self._probability = lru_cache(REMEMBERED)(self._predict)

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def listing(self) -> dict[str, Any]:
        """What the page needs to know of the run and its cases."""
        recipe = self.run.recipe
        return {
            "title": f"{recipe.architecture} on {self.run.card.get('name', '?')} ({self.run.name})",
            "threshold": recipe.evaluate.threshold,
            "classes": list(self.prepared.classes),
            "selection": self.run.selection,
            "maps": bool(self._maps_method),
            "margins": self._margins(),
            "cases": [_listed(fold, row) for fold, row in self._rows],
        }

    def picture(self, place: int) -> bytes:
        """The picture as PNG."""
        return png(self._image(place)[self._inside(place)])

    def truth(self, place: int) -> bytes:
        """The truth as PNG: class indices as grey levels."""
        return png(np.asarray(self.prepared.masks[self._index(place)])[self._inside(place)])

    def probability(self, place: int) -> bytes:
        """The foreground probability in 16 bits as PNG: high byte red, low byte green."""
        with self._lock:
            value = foreground(self._probability(place))[self._inside(place)]
        levels = np.rint(value * 65535).astype(np.uint16)
        blank = np.zeros_like(levels)
        return png(np.stack([levels >> 8, levels & 255, blank], 2).astype(np.uint8))

    def band(self, place: int) -> bytes:
        """The certified margins as grey levels: 255 core, 170 predicted, 85 outer, 0 beyond."""
        if self.certificate is None:
            raise SegkitError(f"{self.run.path} has no certificate", None, "segkit certify RUN")
        with self._lock:
            probability = self._probability(place)
            threshold = self._segmenter(self._rows[place][0]).threshold
        part = self._inside(place)
        mask = masks_from(probability[None], threshold)[0][part]
        found = [promises.levels(band) for band in self.certificate.bands(mask)]
        return png(np.max(found, axis=0))

    @cached_property
    def certificate(self) -> Certificate | None:
        """What `segkit certify` wrote, if it stands for these weights."""
        found = certificate.find(self.run.path)
        usable = found is not None and not certificate.stale(found, self.run.path)
        return found if usable else None

    def maps(self, place: int) -> dict[str, bytes]:
        """What the network shows of itself, over the picture; empty for most architectures."""
        if self._maps_method is None:
            return {}
        image = self._image(place)
        with self._lock:
            segmenter = self._segmenter(self._rows[place][0])
            found = network_maps(
                segmenter.networks[0], self._maps_method, segmenter.inputs(image[None])
            )
        part = self._inside(place)
        return {title: png(over(image, values[0])[part]) for title, values in found.items()}

    def _margins(self) -> str:
        """A sentence on what the band promises; empty without a certificate."""
        return self.certificate.promise if self.certificate is not None else ""

    @cached_property
    def _maps_method(self) -> str | None:
        from segkit.build import architecture

        return architecture(self.run.recipe.architecture).maps

    def _index(self, place: int) -> int:
        return self.prepared.index(self._rows[place][1]["id"])

    def _inside(self, place: int) -> tuple[slice, slice]:
        return inside(self.prepared, self._index(place))

    def _image(self, place: int) -> np.ndarray:
        return np.asarray(self.prepared.images[self._index(place)])

    def _predict(self, place: int) -> np.ndarray:
        segmenter = self._segmenter(self._rows[place][0])
        return segmenter.probabilities(self._image(place)[None])[0].cpu().numpy()

    def _segmenter(self, fold: FoldDir) -> Segmenter:
        if fold not in self._segmenters:
            self._segmenters[fold] = Segmenter.from_run(self.run, fold=fold, device=self.device)
        return self._segmenters[fold]


def _prepared(run: Run) -> PreparedSet:
    found = find_prepared(run)
    if found is None:
        name = run.card.get("name", "?")
        raise SegkitError(
            f"the pictures of {run.path} are not here",
            f"no prepared set of {name} for this run",
            f"Run: segkit data prepare {name}",
        )
    return found


def _listed(fold: FoldDir, row: dict[str, Any]) -> dict[str, Any]:
    values = {key: row.get(key, math.nan) for key in SHOWN}
    known = {
        key: round(value, 6) if math.isfinite(value) else None for key, value in values.items()
    }
    return {"id": row["id"], "fold": fold.index, "cls": row.get("cls") or "", **known}


def png(pixels: np.ndarray) -> bytes:
    """An array (grey or RGB) as PNG."""
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    return bytes(data.tobytes())
