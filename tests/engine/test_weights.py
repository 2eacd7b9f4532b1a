"""Original checkpoints in and out: strict, reported, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import segkit
from segkit import cli
from segkit.engine import starting, weights
from segkit.engine.checkpoints import read_checkpoint
from segkit.engine.runs import open_run
from segkit.errors import SegkitError, UsageError
from segkit_qtseg.layout import LAYOUTS

TINY = {"width": 4, "heads": 4, "token_mlp_dim": 16, "blocks": (1, 1, 1)}


def original(**config: object) -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = segkit.create("qtseg", **{**TINY, **config})
    return LAYOUTS["original"].to_original(network.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    equal = (torch.equal(one[key], other[key]) for key in one)
    types = all(one[key].dtype == other[key].dtype for key in one)
    return one.keys() == other.keys() and types and all(equal)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(original(), tmp_path / "weight_best_dice.pt")
    return tmp_path / "weight_best_dice.pt"


def run_cli(*words: object) -> int:
    return cli.run([str(word) for word in words])


SETTINGS = ("--set", "model.heads=4")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "config",
    [{}, {"mlfd": False}, {"num_classes": 3}, {"decoder": "twoway"}, {"cab": "paper"}],
    ids=["default", "no mlfd", "three classes", "twoway", "cab paper"],
)
def test_round_trip_is_bit_identical(
    tmp_path: Path, config: dict[str, object], suffix: str
) -> None:
    before = original(**config)
    torch.save(before, tmp_path / "a.pt")
    assignments = ("model.heads=4",)
    weights.import_weights("qtseg", tmp_path / "a.pt", tmp_path / "run", assignments=assignments)
    file = weights.export_weights(tmp_path / "run", tmp_path / f"b{suffix}")
    assert same(read_checkpoint(file), before)
    weights.import_weights("qtseg", file, tmp_path / "again", assignments=assignments)
    again = weights.export_weights(tmp_path / "again", tmp_path / f"c{suffix}")
    assert same(read_checkpoint(again), before)


def test_run_predicts_as_the_original(checkpoint: Path, tmp_path: Path) -> None:
    assert (
        run_cli("weights", "import", "qtseg", checkpoint, "--out", tmp_path / "r", *SETTINGS) == 0
    )
    torch.manual_seed(0)
    network = segkit.create("qtseg", **TINY).eval()
    loaded = open_run(tmp_path / "r").load_model()
    image = torch.rand(1, 3, 40, 70)
    with torch.no_grad():
        assert torch.equal(loaded(image), network(image))


def test_settings_are_read_from_the_file(checkpoint: Path, tmp_path: Path) -> None:
    weights.import_weights("qtseg", checkpoint, tmp_path / "r", assignments=("model.heads=4",))
    model = open_run(tmp_path / "r").recipe.model
    assert {key: model[key] for key in ("width", "num_classes", "token_mlp_dim", "mlfd")} == {
        "width": 4,
        "num_classes": 2,
        "token_mlp_dim": 16,
        "mlfd": True,
    }
    assert tuple(model["blocks"]) == (1, 1, 1)


def test_source_is_recorded(checkpoint: Path, tmp_path: Path) -> None:
    done = weights.import_weights(
        "qtseg", checkpoint, tmp_path / "r", assignments=("model.heads=4",)
    )
    facts = open_run(tmp_path / "r").environment["imported"]
    assert facts["sha256"] == done.sha256
    assert facts["layout"] == "original"
    assert done.report.fitting == len(original())


def test_json_report(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r"
    assert run_cli("weights", "import", "qtseg", checkpoint, "--out", out, *SETTINGS, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["path"] == str(out)
    assert document["tensors"] == len(original())
    assert document["part"] == ""


def test_missing_unexpected_and_misshapen_are_reported(tmp_path: Path) -> None:
    state = original()
    state["mask_decoder.stray.weight"] = torch.zeros(2)
    del state["bridge.neck_0_0.bn.bias"]
    state["mask_decoder.SUB_s0.0.bias"] = torch.zeros(5)
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(SegkitError) as caught:
        weights.import_weights(
            "qtseg", tmp_path / "a.pt", tmp_path / "r", assignments=("model.heads=4",)
        )
    words = str(caught.value)
    assert "missing: bridge.neck_0_0.bn.bias" in words
    assert "unexpected: mask_decoder.stray.weight" in words
    assert "misshapen: decoder.upscales.0.0.bias (5,)" in words
    assert not (tmp_path / "r").exists()


def test_positions_must_be_in_the_file(tmp_path: Path) -> None:
    state = original()
    del state["mask_decoder.PE_s1.positional_encoding_gaussian_matrix"]
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(SegkitError, match=r"missing: decoder\.positions\.1\.frequencies"):
        weights.import_weights(
            "qtseg", tmp_path / "a.pt", tmp_path / "r", assignments=("model.heads=4",)
        )


def test_training_checkpoint_with_numpy_scalars(tmp_path: Path) -> None:
    content = {"epoch": 3, "best_dice": np.float64(0.9), "state_dict_model": original()}
    torch.save(content, tmp_path / "weight_last.pt")
    assert same(read_checkpoint(tmp_path / "weight_last.pt"), original())


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": segkit.create("unet")}, tmp_path / "a.pt")
    with pytest.raises(SegkitError, match="not weights alone"):
        read_checkpoint(tmp_path / "a.pt")


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    torch.save(segkit.create("unet").state_dict(), tmp_path / "a.pt")
    with pytest.raises(SegkitError, match="no checkpoint of qtseg"):
        weights.import_weights("qtseg", tmp_path / "a.pt", tmp_path / "r")


def test_existing_run_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    assignments = ("model.heads=4",)
    weights.import_weights("qtseg", checkpoint, tmp_path / "r", assignments=assignments)
    with pytest.raises(UsageError, match="is a run already"):
        weights.import_weights("qtseg", checkpoint, tmp_path / "r", assignments=assignments)


def test_wrong_names_are_usage_errors(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", tmp_path / "r")
    assert run_cli("weights", "import", "qtseg", tmp_path / "none.pt", *out) == 2
    assert run_cli("weights", "import", "qtseg", checkpoint, *out, "--layout", "orginal") == 2
    assert "did you mean 'original'" in capsys.readouterr().err
    assert run_cli("weights", "import", "unet", checkpoint, *out) == 1
    assert "no checkpoint of unet" in capsys.readouterr().err
    assert run_cli("weights", "import", "unet", checkpoint, *out, "--layout", "original") == 2
    assert "no released layout of unet is known" in capsys.readouterr().err


# --- the encoder alone ---


def encoder_state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return LAYOUTS["encoder"].to_original(segkit.create("qtseg", **TINY).state_dict())


def test_encoder_file_starts_a_network(tmp_path: Path) -> None:
    torch.save(encoder_state(), tmp_path / "fpn.pth")
    done = weights.import_weights("qtseg", tmp_path / "fpn.pth", tmp_path / "enc")
    assert done.path == tmp_path / "enc" / "encoder.safetensors"
    assert (done.part, done.report.layout, done.report.fitting) == ("encoder.", "encoder", 270)
    network = segkit.create("qtseg", **TINY)
    untouched = network.decoder.tokens.weight.clone()  # type: ignore[union-attr, operator]
    starting.start_from(network, str(done.path))
    assert same(LAYOUTS["encoder"].to_original(network.state_dict()), encoder_state())
    assert torch.equal(network.decoder.tokens.weight, untouched)  # type: ignore[union-attr, arg-type]


def test_yolo_names(tmp_path: Path) -> None:
    bare = {f"encoder.{name}": value for name, value in encoder_state().items()}
    state = LAYOUTS["yolov8"].to_original(bare)
    assert "model.4.m.1.cv2.bn.bias" in state
    state["model.22.cv2.0.0.conv.weight"] = torch.zeros(1)
    torch.save({"model": state}, tmp_path / "yolo.pt")
    done = weights.import_weights("qtseg", tmp_path / "yolo.pt", tmp_path / "enc")
    assert (done.report.layout, done.report.ignored) == ("yolov8", 1)
    assert done.settings == {"width": 4, "encoder_bn_eps": 1e-3}
    assert same(read_checkpoint(done.path), bare)


def test_incomplete_encoder_is_refused(tmp_path: Path) -> None:
    state = encoder_state()
    del state["sppf_9.cv1.bn.running_var"]
    torch.save(state, tmp_path / "fpn.pth")
    with pytest.raises(SegkitError, match=r"missing: encoder\.sppf_9\.cv1\.bn\.running_var"):
        weights.import_weights("qtseg", tmp_path / "fpn.pth", tmp_path / "enc")


def test_start_from_a_run(checkpoint: Path, tmp_path: Path) -> None:
    weights.import_weights("qtseg", checkpoint, tmp_path / "r", assignments=("model.heads=4",))
    network = segkit.create("qtseg", **TINY)
    starting.start_from(network, str(tmp_path / "r"))
    assert same(LAYOUTS["original"].to_original(network.state_dict()), original())
    other = segkit.create("qtseg", **TINY | {"num_classes": 3})
    report = starting.start_from(other, str(tmp_path / "r"))
    assert any(line.startswith("shape differs") for line in report.lines())
