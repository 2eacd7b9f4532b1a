"""What lands in a fold's folder while it trains: curves, and a few predictions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from segkit import paths
from segkit.data.loader import Loader
from segkit.data.sheet import grid, outlined, save
from segkit.engine.runs import COLUMNS

SAMPLES, ROW = 8, 4
TRUTH, PREDICTION = (80, 220, 80), (255, 200, 0)  # RGB
LINES = (("loss", "#c0392b"), ("val_loss", "#e67e22"), ("val_dice_image", "#2471a3"))


@torch.no_grad()
def write_samples(path: Path, network: nn.Module, loader: Loader, threshold: float) -> None:
    """The first validation pictures: truth outlined in green, prediction in yellow."""
    was_training = network.training
    network.eval()
    batch = next(loader.epoch())
    logits = network(batch.image[:SAMPLES]).float()
    network.train(was_training)
    found = logits[:, 0].sigmoid() >= threshold if logits.shape[1] == 1 else logits.argmax(1) > 0
    rows = loader.rows[: len(found)]
    pictures = [np.array(_host(loader.images[row])) for row in rows]
    masks = [(np.array(_host(loader.masks[row])) > 0).astype(np.uint8) for row in rows]
    tiles = [
        outlined(outlined(picture, mask, [TRUTH]), guess, [PREDICTION])
        for picture, mask, guess in zip(pictures, masks, found.byte().cpu().numpy(), strict=True)
    ]
    save(grid(tiles, ROW), path)


def _host(array: np.ndarray | Tensor) -> np.ndarray:
    return array.cpu().numpy() if isinstance(array, Tensor) else array


def write_curves(path: Path, history: Sequence[Sequence[float]]) -> None:
    """Loss and validation Dice over the epochs, as a small SVG."""
    width, height, edge = 480, 240, 30
    values = {name: [row[COLUMNS.index(name)] for row in history] for name, _ in LINES}
    top = max((v for series in values.values() for v in series if v == v), default=1.0)
    top = max(top, 1.0)
    lines = []
    for number, (name, colour) in enumerate(LINES):
        points = [
            (edge + i * (width - 2 * edge) / max(len(history) - 1, 1), value)
            for i, value in enumerate(values[name])
            if value == value
        ]
        spots = " ".join(
            f"{x:.1f},{height - edge - y / top * (height - 2 * edge):.1f}" for x, y in points
        )
        lines.append(f'<polyline fill="none" stroke="{colour}" points="{spots}"/>')
        lines.append(_text(edge + 110 * number, 16, escape(name), colour))
    frame = f'<rect x="{edge}" y="{edge}" width="{width - 2 * edge}" height="{height - 2 * edge}"'
    lines.append(frame + ' fill="none" stroke="#999"/>')
    lines.append(_text(2, edge + 4, f"{top:.2g}", "#555") + _text(2, height - edge, "0", "#555"))
    lines.append(_text(edge, height - 10, f"epoch 1 to {len(history)}", "#555"))
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    paths.write_text(path, "\n".join([start, *lines, "</svg>", ""]))


def _text(x: float, y: float, words: str, colour: str) -> str:
    style = f'font-size="11" font-family="sans-serif" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{words}</text>'
