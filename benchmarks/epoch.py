"""One epoch with segkit's loader against a torch DataLoader, on generated 1024x768 JPEG pictures.

    python benchmarks/epoch.py [--pictures 48] [--rounds 9] [--networks unet,qtseg] [--json FILE]

(a) a DataLoader that decodes, resizes and augments every sample with albumentations;
(b) the same from a .npy of resized pictures; and segkit's loader on the prepared arrays.
Loader times are process CPU time per image, one thread, no worker processes, variants interleaved,
medians; epochs are wall time with two workers for (a) and (b) and one thread for segkit. Same
augmentation everywhere: both flips and a rotation within 30 degrees.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import albumentations
import cv2
import numpy as np
import torch
from rows import row
from torch.utils.data import DataLoader, Dataset

from segkit import build
from segkit.data.augmenting.pipeline import augmentation
from segkit.data.loader import Loader, LoaderSettings
from segkit.engine.training.objective import Objective
from segkit.recipe import LossRecipe

SIZE, ORIGINAL, BATCH = 256, (768, 1024), 8


class Arrays:
    """The prepared form: two memory maps."""

    def __init__(self, folder: Path):
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.masks = np.load(folder / "masks.npy", mmap_mode="r")
        self.ids = [str(i) for i in range(len(self.images))]


class Decoding(Dataset):
    """(a): decode, resize, augment, every time."""

    def __init__(self, folder: Path, count: int):
        self.folder, self.count, self.steps = folder, count, pipeline()

    def __len__(self) -> int:
        return self.count

    def pixels(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = cv2.imread(str(self.folder / f"{index}.jpg"))[..., ::-1]
        mask = cv2.imread(str(self.folder / f"{index}.png"), cv2.IMREAD_GRAYSCALE)
        image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return image, cv2.resize(mask, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) // 255

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = self.pixels(index)
        done = self.steps(image=np.ascontiguousarray(image), mask=mask)
        image = torch.from_numpy(done["image"].transpose(2, 0, 1).copy()).float() / 255
        return image, torch.from_numpy(done["mask"]).long()


class Resized(Decoding):
    """(b): the same from arrays that are resized already."""

    def __init__(self, folder: Path, count: int):
        super().__init__(folder, count)
        self.arrays = Arrays(folder)

    def pixels(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.arrays.images[index]), np.array(self.arrays.masks[index])


def pipeline() -> albumentations.Compose:
    """What the policy `eamnet` does, by albumentations."""
    turn = albumentations.Rotate(30, border_mode=cv2.BORDER_CONSTANT, p=1.0)
    flips = [albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)]
    return albumentations.Compose([*flips, turn])


def generate(folder: Path, count: int) -> float:
    """JPEG pictures, PNG masks, and their prepared form; the seconds that preparing took."""
    rng = np.random.default_rng(0)
    height, width = ORIGINAL
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        coarse = rng.integers(60, 220, (24, 32, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
        image = (image + rng.integers(-12, 12, image.shape)).clip(0, 255).astype(np.uint8)
        cx, cy = rng.uniform(0.3, 0.7, 2) * (width, height)
        mask = (((x - cx) / 180) ** 2 + ((y - cy) / 130) ** 2 < 1).astype(np.uint8) * 255
        image[mask > 0] //= 2
        cv2.imwrite(str(folder / f"{i}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(folder / f"{i}.png"), mask)
    begun = time.process_time()
    reader = Decoding(folder, count)
    pairs = [reader.pixels(i) for i in range(count)]
    np.save(folder / "images.npy", np.stack([image for image, _ in pairs]))
    np.save(folder / "masks.npy", np.stack([mask for _, mask in pairs]))
    return time.process_time() - begun


def ours(folder: Path, workers: int) -> Loader:
    settings = LoaderSettings(batch=BATCH, shuffle=True, workers=workers)
    arrays = Arrays(folder)
    return Loader(arrays, arrays.ids, settings, augmentation("eamnet"))


def variants(folder: Path, count: int, workers: int) -> dict[str, object]:
    """The three loaders as callables that give one epoch of (image, mask)."""
    shared = {"batch_size": BATCH, "shuffle": True, "num_workers": workers}
    shared |= {"persistent_workers": True} if workers else {}
    decoding = DataLoader(Decoding(folder, count), **shared)
    resized = DataLoader(Resized(folder, count), **shared)
    mine = ours(folder, 1 if workers else 0)
    return {
        "a: decode each time": lambda epoch: iter(decoding),
        "b: resized .npy": lambda epoch: iter(resized),
        "segkit": lambda epoch: ((b.image, b.mask) for b in mine.epoch(epoch)),
    }


def check_equal(folder: Path, count: int) -> None:
    """Without augmentation, which is random, all three give the same pictures and masks."""
    plain = Loader(
        Arrays(folder), [str(i) for i in range(count)], LoaderSettings(batch=count, workers=0)
    )
    batch = next(iter(plain.epoch(0)))
    for peer in (Decoding(folder, count), Resized(folder, count)):
        peer.steps = albumentations.Compose([])
        for i in range(count):
            image, mask = peer[i]
            torch.testing.assert_close(batch.image[i], image, rtol=0, atol=1e-6)
            assert torch.equal(batch.mask[i], mask)


def loader_times(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """CPU milliseconds per image of the loaders alone."""
    found: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, epoch in variants(folder, count, 0).items():
            begun = time.process_time()
            seen = sum(len(image) for image, _ in epoch(turn))
            spent = 1000 * (time.process_time() - begun) / seen
            assert seen == count
            if turn:  # the first round warms up
                found.setdefault(name, []).append(spent)
    return {name: statistics.median(times) for name, times in found.items()}


def epochs(folder: Path, count: int, name: str, rounds: int) -> dict[str, dict[str, float]]:
    """Images per second of training epochs by wall time, and CPU milliseconds of a step alone."""
    torch.manual_seed(0)
    network = build.create(name).train()
    loss_name = "bce_dice" if build.model_config(name).num_classes == 1 else "ce_dice"
    objective = Objective(LossRecipe(name=loss_name))
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def step(image: torch.Tensor, mask: torch.Tensor) -> None:
        objective((network(image),), mask).backward()
        optimizer.step()
        optimizer.zero_grad()

    speeds: dict[str, list[float]] = {}
    loaders = variants(folder, count, 2)
    for turn in range(rounds + 1):
        for label, epoch in loaders.items():
            begun = time.perf_counter()
            for image, mask in epoch(turn):
                step(image, mask)
            if turn:
                speeds.setdefault(label, []).append(count / (time.perf_counter() - begun))
    image, mask = next(iter(loaders["segkit"](0)))
    costs = []
    for _ in range(5):
        begun = time.process_time()
        step(image, mask)
        costs.append(1000 * (time.process_time() - begun) / len(image))
    return {"images_per_s": {k: statistics.median(v) for k, v in speeds.items()}, "step_ms": costs}


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument("--pictures", type=int, default=48)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--epoch-rounds", type=int, default=2)
    words.add_argument("--networks", default="unet,qtseg")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = generate(folder, asked.pictures)
        check_equal(folder, asked.pictures)
        turns = min(asked.rounds, asked.epoch_rounds)
        times = loader_times(folder, asked.pictures, asked.rounds)
        report = {"prepare_ms_per_image": 1000 * prepared / asked.pictures, "loader_ms": times}
        print(f"torch {torch.__version__}, 1 thread, {asked.pictures} pictures 1024x768 -> {SIZE}")
        print(f"preparing once: {report['prepare_ms_per_image']:.2f} ms per image (CPU)")
        for label, spent in times.items():
            print(f"{label:22s} {spent:7.3f} ms/image  {spent / times['segkit']:6.1f} x segkit")
            if label != "segkit":
                row(
                    "loader, a picture",
                    times["segkit"],
                    f"albumentations, {label}",
                    spent,
                    "ms CPU",
                )
        for network in asked.networks.split(","):
            report[network] = found = epochs(folder, asked.pictures, network, turns)
            step = statistics.median(found["step_ms"])
            share = times["segkit"] / (step + times["segkit"])
            found["share"] = share
            print(f"{network}: step {step:.1f} ms/image (CPU), segkit's loader {share:.2%} of it")
            speeds = found["images_per_s"]
            for label, speed in speeds.items():
                print(f"  {label:22s} {speed:6.2f} images/s")
                if label != "segkit":
                    pair = 1000 / speeds["segkit"], f"DataLoader, {label}", 1000 / speed
                    row(f"{network}, training epoch, a picture", *pair, "ms wall")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
