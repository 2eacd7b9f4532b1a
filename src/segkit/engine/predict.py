"""Masks for pictures of any size: `segkit.load(run)` for one picture, `segkit.predict` for folders.

No torch here: an ONNX file is run without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from segkit.data.geometry import Geometry, fit, unfit
from segkit.data.images import from_pillow, read_image, to_rgb
from segkit.data.reading import REDUCE
from segkit.engine.predict_masks import foreground, masks_from
from segkit.engine.sliding import Sliding, as_numpy, slide
from segkit.errors import UsageError

Picture = np.ndarray | Image.Image | Path | str


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


@dataclass(frozen=True)
class Opened:
    """A picture as it is, and as the network gets it."""

    image: np.ndarray
    small: np.ndarray
    geometry: Geometry


def open_picture(path: Path, size: tuple[int, int], resize: str) -> Opened:
    """Read a file the way `prepare` does: a large JPEG is decoded reduced before it is resized.

    So the network sees the very pixels that evaluation shows it.
    """
    image = read_image(path, orient=True)
    source, least = image, (size[0] * REDUCE, size[1] * REDUCE)
    if min(image.shape[0] / least[0], image.shape[1] / least[1]) > 1.5:
        source = read_image(path, orient=True, at_least=least)
    small, geometry = fit(source, size, resize, original=(image.shape[0], image.shape[1]))
    return Opened(image, small, geometry)


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
    """The segmenter of a run folder or of an ONNX file; the latter needs no torch."""
    path = Path(model)
    if path.is_dir():
        from segkit.engine.inference import Segmenter

        return Segmenter.from_run(path, fold=fold, device=device, tta=tta, threshold=threshold)
    if path.suffix == ".onnx" and path.is_file():
        from segkit.engine.onnx_runtime import OnnxSegmenter

        return OnnxSegmenter(path, tta=tta or "none", threshold=threshold)
    why = "it is no run folder and no .onnx file" if path.exists() else "there is no such file"
    raise UsageError(f"{path} cannot predict", why, "`segkit runs` lists the runs there are.")


def restore(probability: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, h, w) at network size -> (K, H, W) at the picture's own size."""
    planes = [unfit(np.ascontiguousarray(plane), geometry, nearest=False) for plane in probability]
    return np.stack(planes).astype(np.float32, copy=False)


def as_picture(image: Picture) -> np.ndarray:
    """A path, a Pillow image or an array as uint8 (H, W, 3).

    Arrays are grey, RGB or RGBA, of 8 or 16 bits or of floats in [0, 1].
    """
    if isinstance(image, str | Path):
        return read_image(image, orient=True)
    pixels: Any = from_pillow(image) if isinstance(image, Image.Image) else image
    if not isinstance(pixels, np.ndarray):
        raise UsageError(
            f"a {type(image).__name__} is no picture", "expected a path, an array, a Pillow image"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise UsageError(
            f"an array of shape {pixels.shape} is no picture", "expected (H, W[, 1|3|4])"
        )
    if pixels.dtype.kind == "f":
        pixels = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    if pixels.dtype.name not in ("uint8", "uint16"):
        raise UsageError(
            f"an array of {pixels.dtype} is no picture", "expected uint8, uint16, floats"
        )
    return to_rgb(pixels)


def predict(
    model: Path | str,
    sources: Sequence[Path | str] | Path | str,
    out: Path | str,
    **options: Any,
) -> list[dict[str, Any]]:
    """Predict files, folders and globs into `out`; the rows of predictions.csv are returned.

    Options are those of `segkit.engine.predict_files.Job`.
    """
    from segkit.engine.predict_files import Job, find_pictures, run_job

    items = [sources] if isinstance(sources, str | Path) else list(sources)
    job = Job(out=Path(out), **options)
    segmenter = load_segmenter(model)
    results = run_job(segmenter, find_pictures(items, skip=job.out), job)
    return [row for result in results for row in result.rows]


__all__ = ["Predictor", "Sliding", "foreground", "load", "load_segmenter", "predict", "restore"]
