"""Damaged run folders, checkpoints and ONNX files through every command that reads them."""

from __future__ import annotations

import io
import json
import random
import struct
from pathlib import Path

import hostile
import run_folders
from damage import DAMAGES


class RunFolders:
    title, quota, lists = "damaged run folders", 500, "folders"

    def __init__(self, runs: Path):
        self.runs = runs

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        file, kind = run_folders.damage_one(self.runs, work / "runs", seed)
        tried = hostile.Tried()
        words = list(run_folders.commands(work / "runs", seed))
        if seed % 3 == 0:
            one = str(work / "runs" / "a")
            words.append(
                ["predict", one, str(self.runs.parent / "pictures"), "--out", str(work / "p")]
            )
            words.append(["train", "unet", "--resume", "--out", one, "--device", "cpu"])

        def all_of_them() -> int:
            for command in words:
                said = run_folders.answer(command)
                if said:
                    print(f"Traceback of {' '.join(command)}: {said}")
            return 0

        tried.note(hostile.child(all_of_them, work / "log"), f"{file} {kind}")
        return tried


class Checkpoints:
    title, quota, lists = "checkpoints (safetensors, .pt)", 60, "files"
    batch = 20

    def __init__(self, runs: Path):
        self.run = runs / "a"
        self.whole = {
            "safetensors": (self.run / "fold0/best.safetensors").read_bytes(),
            "pt": (self.run / "fold0/last.pt").read_bytes(),
        }

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        tried = hostile.Tried(self.batch)

        def read_all() -> int:
            from segkit.engine.checkpoints import read_checkpoint
            from segkit.engine.training.checkpoint import load_last
            from segkit.errors import SegkitError

            for number in range(self.batch):
                suffix = dice.choice(list(self.whole))
                file = work / f"{number}.{suffix}"
                file.write_bytes(checkpoint(dice, suffix, self.whole[suffix]))
                for read in (read_checkpoint, load_last):
                    try:
                        read(file)
                    except SegkitError as error:
                        print(error.as_text())
            return int((work / "executed").exists()) * 99

        tried.note(hostile.child(read_all, work / "log", longest=30), "read")
        return tried


def checkpoint(dice: random.Random, suffix: str, whole: bytes) -> bytes:
    """A damaged, lying or malicious file of weights."""
    kind = dice.choice(["flipped", "cut", "zeros", "text", "head", "own"])
    if kind in DAMAGES:
        return DAMAGES[kind](whole, dice) or b""
    if suffix == "pt":
        return strange_pt(dice)
    (length,) = struct.unpack("<Q", whole[:8])
    if kind == "own":
        size = dice.choice([0, 1, 8, 1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
        return struct.pack("<Q", size) + whole[8:]
    head = json.loads(whole[8 : 8 + length])
    name = dice.choice([key for key in head if key != "__metadata__"])
    key = dice.choice(["dtype", "shape", "data_offsets"])
    head[name][key] = dice.choice(
        [None, [], [-1], [1 << 62, 1 << 62], "F33", [0, 1 << 60], [5, 1], {}, 3]
    )
    made = json.dumps(head).encode()
    return struct.pack("<Q", len(made)) + made + whole[8 + length :]


def strange_pt(dice: random.Random) -> bytes:
    """What torch.save writes of something that is no state."""
    import torch

    circle: dict[str, object] = {}
    circle["state_dict"] = circle
    things: list[object] = [circle, [], None, 3, {"a": 1}, {1: torch.zeros(2)}, {"model": {}}]
    sink = io.BytesIO()
    torch.save(dice.choice(things), sink)
    return sink.getvalue()


class Onnx:
    title, quota, lists = "ONNX files", 60, "files"
    batch = 5

    def __init__(self, runs: Path):
        self.folder, self.pictures = runs.parent / "onnx", runs.parent / "pictures"
        self.whole = b""
        if not self.folder.exists():
            words = ["export", str(runs / "a"), "--to", "onnx", "--out", str(self.folder)]
            self.folder.mkdir()
            end = hostile.segkit(words, runs.parent / "export.log", longest=300)
            if end.code:
                print(f"no ONNX files: {end.text[-300:]}")
        found = sorted(self.folder.rglob("*.onnx"))
        self.whole = found[0].read_bytes() if found else b""

    def attack(self, seed: int, work: Path) -> hostile.Tried:
        dice = random.Random(seed)
        tried = hostile.Tried(self.batch)
        if not self.whole:
            return hostile.Tried(0)
        for number in range(self.batch):
            file = work / f"{number}.onnx"
            file.write_bytes(self._altered(dice, work))
            words = ["predict", str(file), str(self.pictures), "--out", str(work / "out")]
            tried.note(hostile.segkit([*words, "--device", "cpu"], work / "log"), f"file {number}")
        return tried

    def _altered(self, dice: random.Random, work: Path) -> bytes:
        kind = dice.choice(["flipped", "cut", "zeros", "text", "card", "outside", "custom", "huge"])
        if kind in DAMAGES:
            return DAMAGES[kind](self.whole, dice) or b""
        import onnx

        model = onnx.load_from_string(self.whole)
        if kind == "card":
            entry = next(e for e in model.metadata_props if e.key == "segkit")
            entry.value = (
                DAMAGES[dice.choice(["retyped", "without", "cut"])](entry.value.encode(), dice)
                or b""
            ).decode("latin1")
        elif kind == "outside":
            tensor = dice.choice(list(model.graph.initializer))
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(
                key="location", value=dice.choice(["../../etc/passwd", "/etc/passwd", "gone"])
            )
        elif kind == "custom":
            node = dice.choice(list(model.graph.node))
            node.domain, node.op_type = "evil", "Run"
        else:
            dim = model.graph.input[0].type.tensor_type.shape.dim
            dim[dice.randrange(len(dim))].dim_value = dice.choice([10**6, 10**12, 0, -1])
        return model.SerializeToString()
