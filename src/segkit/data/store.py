"""A prepared set: packed arrays that open as memory maps, and a manifest that explains them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit import paths
from segkit.data import images
from segkit.errors import SegkitError

MANIFEST = "manifest.json"
FORMAT = 1


class PreparedSet:
    """Arrays, ids and items of one prepared form of a dataset."""

    def __init__(self, root: Path, manifest: dict[str, Any]):
        self.root, self.manifest = root, manifest
        self.name: str = manifest["name"]
        self.size: tuple[int, int] = (manifest["size"][0], manifest["size"][1])
        self.resize: str = manifest["resize"]
        self.classes: tuple[str, ...] = tuple(manifest["classes"])
        self.items: list[dict[str, Any]] = manifest["items"]
        self.ids: list[str] = [item["id"] for item in self.items]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"PreparedSet({self.name!r}, {len(self)} pictures, {self.root})"

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (N,H,W,3), mapped from disk."""
        return self._array("images.npy", (*self.size, 3))

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """uint8 (N,H,W) class indices, mapped from disk."""
        return self._array("masks.npy", self.size)

    @cached_property
    def instances(self) -> NDArray[np.uint16] | None:
        """uint16 (N,H,W) instance labels, if the set was prepared with them."""
        exists = (self.root / "instances.npy").is_file()
        return self._array("instances.npy", self.size) if exists else None

    @cached_property
    def thumbnails(self) -> NDArray[np.uint8]:
        """uint8 (N,32,32) grey: what duplicates are found by."""
        return self._array("thumbnails.npy", (32, 32))

    @cached_property
    def details(self) -> NDArray[np.uint8] | None:
        """uint8 (N,128,128) grey, on a grid of its own; older sets have none."""
        exists = (self.root / "details.npy").is_file()
        return self._array("details.npy", (128, 128)) if exists else None

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.ids)}

    def index(self, name: str) -> int:
        """The row of an id."""
        if name not in self._positions:
            raise SegkitError(f"{self.name} has no picture '{name}'", f"prepared in {self.root}")
        return self._positions[name]

    def item(self, name: str) -> dict[str, Any]:
        """What the manifest says of an id."""
        return self.items[self.index(name)]

    def original(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Picture (H,W,3) and mask (H,W) at original size, from the raw files.

        Built-in sets are drawn at the prepared size: for them it is the prepared pair.
        """
        item = self.item(name)
        mask = self.original_mask(name)
        if not item["image"]:
            return np.array(self.images[self.index(name)]), mask
        root = paths.raw(self.name)
        return images.read_image(root / item["image"], match=mask.shape[:2]), mask

    def original_image(self, name: str) -> NDArray[np.uint8]:
        """The picture alone at original size."""
        item = self.item(name)
        if not item["image"]:
            return np.array(self.images[self.index(name)])
        size = (item["height"], item["width"])
        return images.read_image(paths.raw(self.name) / item["image"], match=size)

    @cached_property
    def has_label_files(self) -> bool:
        """Whether the set's own files keep objects apart: several masks for one picture."""
        several = any(len(item["masks"]) > 1 for item in self.items)
        return several and self.manifest["items"][0]["decode"] not in images.INDEXED

    def original_instances(self, name: str) -> NDArray[np.uint16]:
        """Instance labels (H,W) at original size, one for each mask file of the picture."""
        item = self.item(name)
        root = paths.raw(self.name)
        files = [_bytes(root / file) for file in item["masks"]]
        return images.label_map(images.Stored(files, item["masks"]))

    def original_mask(self, name: str) -> NDArray[np.uint8]:
        """The mask (H,W) at original size, without decoding the picture."""
        item = self.item(name)
        if not item["image"]:
            return np.array(self.masks[self.index(name)])
        root = paths.raw(self.name)
        decode = images.decoder(item["decode"])
        files = [_bytes(root / file) for file in item["masks"]]
        mask = decode(images.Stored(files, item["masks"], indices=item["decode"] in images.INDEXED))
        if self.manifest["options"].get("classes") == "binary":
            mask = (mask > 0).astype(np.uint8)
        return mask

    def _array(self, file: str, shape: tuple[int, ...]) -> NDArray:
        path = self.root / file
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SegkitError(f"{path} cannot be opened", str(error), self._cure()) from error
        if array.shape != (len(self), *shape):
            raise SegkitError(
                f"{path} does not fit its manifest", f"shape {array.shape}", self._cure()
            )
        return array

    def _cure(self) -> str:
        return f"Delete {self.root} and run: segkit data prepare {self.name}"


def open_prepared(root: Path | str) -> PreparedSet:
    """Open a prepared set by its folder."""
    root = Path(root)
    if not (root / MANIFEST).is_file():
        raise SegkitError(
            f"{root} is not a prepared set", f"no {MANIFEST}", "Run: segkit data prepare"
        )
    manifest = paths.read_json(root / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise SegkitError(
            f"{root} was prepared by another version",
            f"format {manifest.get('format')}, this segkit reads {FORMAT}",
            "Run: segkit data prepare again.",
        )
    return PreparedSet(root, manifest)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SegkitError(
            f"{path} cannot be read", error.strerror, "The raw files moved: fetch or import again."
        ) from error
