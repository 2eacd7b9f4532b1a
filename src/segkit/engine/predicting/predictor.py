"""Masks for pictures of any size: `segkit.load(run)` for one picture, `segkit.predict` for folders.

No torch here: an ONNX file is run without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segkit.data.geometry import Geometry, fit
from segkit.engine import register, registration
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.engine.predicting.opening import Picture, as_picture, open_picture, restore
from segkit.engine.predicting.sliding import Sliding, as_numpy, slide
from segkit.errors import UsageError


class Predictor:
    """Call it with a picture (path, array, Pillow image): mask and probability at its own size."""

    def __init__(self, segmenter: Any, sliding: Sliding | None = None):
        self.segmenter, self.sliding = segmenter, sliding

    def __call__(self, image: Picture) -> tuple[np.ndarray, np.ndarray]:
        """Mask uint8 (H, W) of class indices; probability float32 (H, W), or (K, H, W)."""
        probability = self.probability(image)
        mask = masks_from(probability[None], self.segmenter.threshold)[0]
        return mask, probability[0] if probability.shape[0] == 1 else probability

    def probability(self, image: Picture) -> np.ndarray:
        """A picture -> float32 (K, H, W)."""
        if self.sliding is not None:
            return slide(self.segmenter, as_picture(image), self.sliding)
        small, geometry = self._fitted(image)
        return restore(as_numpy(self.segmenter.probabilities(small[None]))[0], geometry)

    def _fitted(self, image: Picture) -> tuple[np.ndarray, Geometry]:
        size, resize = self.segmenter.size, self.segmenter.resize
        if isinstance(image, str | Path):
            opened = open_picture(Path(image), size, resize)
            return opened.small, opened.geometry
        return fit(as_picture(image), size, resize)


def load(
    model: Path | str,
    fold: int | Literal["all"] = "all",
    device: str = "auto",
    tta: str | None = None,
    sliding: Sliding | None = None,
) -> Predictor:
    """A run folder or ONNX file, ready: `mask, probability = segkit.load(run)(image)`."""
    return Predictor(load_segmenter(model, fold=fold, device=device, tta=tta), sliding)


def load_segmenter(
    model: Path | str,
    *,
    fold: int | Literal["all"] = "all",
    device: str = "auto",
    tta: str | None = None,
    threshold: float | None = None,
) -> Any:
    """The segmenter of a run folder, a trained network by its name, or an ONNX file.

    An ONNX file needs no torch. A trained network brings one, which answers on the CPU; with
    another device or a fold of its own the network itself is loaded.
    """
    path = register.place(model)
    packed = register.is_packed(model) and device in ("auto", "cpu") and fold == "all"
    if packed and (path / register.GRAPH).is_file():
        path = path / register.GRAPH
    if path.is_dir():
        from segkit.engine.predicting.segmenter import Segmenter

        return Segmenter.from_run(path, fold=fold, device=device, tta=tta, threshold=threshold)
    if path.suffix == ".onnx" and path.is_file():
        from segkit.engine.predicting.onnx_runtime import OnnxSegmenter

        return OnnxSegmenter(path, tta=tta or "none", threshold=threshold)
    why = "it is no run folder and no .onnx file" if path.exists() else "there is no such file"
    cure = register.hint(path) or "`segkit runs` and `segkit models list` say what there is."
    raise UsageError(f"{path} cannot predict", why, cure)


def registered(model: Path | str, segmenter: Any) -> str:
    """What a run's registration says; of an exported file, what its card says; else empty."""
    path = register.place(model)
    if (path / registration.FILE).is_file():
        from segkit.engine.runs import open_run

        return registration.statement(open_run(path))
    said = getattr(segmenter, "card", {}).get("registered")
    return said if isinstance(said, str) else ""


def predict(
    model: Path | str,
    sources: Sequence[Path | str] | Path | str,
    out: Path | str,
    **options: Any,
) -> list[dict[str, Any]]:
    """Predict files, folders and globs into `out`; the rows of predictions.csv are returned.

    Options are those of `segkit.engine.predicting.folder.PredictJob`.
    """
    from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job

    items = [sources] if isinstance(sources, str | Path) else list(sources)
    job = PredictJob(out=Path(out), **options)
    segmenter = load_segmenter(model)
    results = run_job(segmenter, find_pictures(items, skip=job.out), job)
    return [row for result in results for row in result.rows]


__all__ = ["Predictor", "Sliding", "foreground", "load", "load_segmenter", "predict", "restore"]
