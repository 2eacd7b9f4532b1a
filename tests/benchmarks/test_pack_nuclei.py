"""The archive that travels holds the same pixels and the union of the masks."""

import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.pack_nuclei import pack


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def read(archive, name, how=cv2.IMREAD_COLOR):
    return cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), how)


def test_pixels_are_kept_and_masks_united(tmp_path):
    rng = np.random.default_rng(0)
    grey = np.dstack([np.repeat(rng.integers(0, 255, (9, 7, 1)), 3, 2), np.full((9, 7), 255)])
    colour = np.dstack([rng.integers(0, 255, (9, 7, 3)), np.full((9, 7), 255)])
    clear = np.dstack([colour[..., :3], rng.integers(0, 255, (9, 7))])
    pictures = {"grey": grey, "colour": colour, "clear": clear}
    for name, pixels in pictures.items():
        write(tmp_path / f"raw/part/{name}/images/{name}.png", pixels.astype(np.uint8))
        for i in range(3):
            mask = np.zeros((9, 7), np.uint8)
            mask[i] = 255
            write(tmp_path / f"raw/part/{name}/masks/{i}.png", mask)
    assert pack(tmp_path / "raw", tmp_path / "small.zip") == 3
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        for name, pixels in pictures.items():
            inside = f"{name}/images/{name}.png"
            assert np.array_equal(read(archive, inside), pixels[..., :3])
            planes = read(archive, inside, cv2.IMREAD_UNCHANGED).shape[2:]
            assert planes == {"grey": (), "colour": (3,), "clear": (4,)}[name]
            mask = read(archive, f"{name}/masks/all.png", cv2.IMREAD_UNCHANGED)
            assert mask[:3].all()
            assert not mask[3:].any()
