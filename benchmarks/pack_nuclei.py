"""DSB2018 in a small archive for a machine without network: same pixels, one mask per picture.

    python -m benchmarks.pack_nuclei shared/dsb2018.zip     # from the raw files that were fetched
    segkit data fetch dsb2018 --from shared/dsb2018.zip     # over there

The archive has the official layout. Nothing is lost of what segkit reads: grey pictures are stored
as grey, opaque ones without their alpha plane, the masks of the nuclei as their union, and every
file is decoded again and compared. (Masks of single nuclei are lost: take the official archive
where they matter.)
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

from segkit import paths

OPAQUE, EPOCH = 255, (1980, 1, 1, 0, 0, 0)
# fixed time stamps and settings: the same pictures give the same bytes
PNG = (cv2.IMWRITE_PNG_COMPRESSION, 7, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS)


def smaller(picture: np.ndarray) -> np.ndarray:
    """Without an alpha plane that is opaque all over, and grey if all colours agree."""
    if picture.ndim == 3 and picture.shape[2] == 4 and (picture[..., 3] == OPAQUE).all():
        picture = picture[..., :3]
    if picture.ndim == 3 and picture.shape[2] == 3 and (picture == picture[..., :1]).all():
        picture = picture[..., 0]
    return np.ascontiguousarray(picture)


def encoded(pixels: np.ndarray) -> bytes:
    """A PNG file that holds exactly these pixels."""
    done, data = cv2.imencode(".png", pixels, PNG)
    if not done or not np.array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), pixels):
        raise ValueError("a picture has changed in packing")
    return data.tobytes()


def read(path: Path) -> np.ndarray:
    """All planes as stored."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ValueError(f"{path} is no picture")
    return found


def union(folder: Path) -> np.ndarray:
    """All nuclei of a picture in one mask."""
    return np.maximum.reduce([read(path) for path in sorted(folder.glob("*.png"))])


def pack(source: Path, target: Path) -> int:
    """Write the archive; the number of its pictures."""
    pictures = {path.stem: path for path in source.glob("**/images/*.png")}
    with (
        paths.replacing(target) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, path in sorted(pictures.items()):
            files = {
                f"{name}/images/{name}.png": smaller(read(path)),
                f"{name}/masks/all.png": union(path.parent.parent / "masks"),
            }
            for inside, pixels in files.items():
                archive.writestr(zipfile.ZipInfo(inside, EPOCH), encoded(pixels))
    return len(pictures)


def main() -> int:
    """Pack the fetched set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--source", type=Path, default=paths.home() / "raw/dsb2018/files")
    asked = parser.parse_args()
    count = pack(asked.source, asked.target)
    print(f"{asked.target}: {count} pictures, {asked.target.stat().st_size / 2**20:.1f} MiB")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
