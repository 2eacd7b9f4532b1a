"""The parity gate: what is not equal is not kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit import paths, plugins
from segkit.api import Exporter
from segkit.engine.exporting import parity
from segkit.engine.exporting.export import ExportOptions, export, place
from segkit.engine.exporting.parity import BOUNDS, Bounds, check, pictures
from segkit.engine.exporting.subject import Subject, find_subject, with_preprocessing
from segkit.engine.exporting.trace import failing_operator, trace
from segkit.errors import MissingExtra, SegkitError, UsageError

CARD = {
    "architecture": "tiny",
    "summary": "A test.",
    "config": {"in_channels": 3, "num_classes": 1},
    "size": [64, 64],
    "fixed_size": False,
    "preprocessing": "outside",
    "normalise": "unit",
    "colour": "rgb",
    "resize": "stretch",
    "threshold": 0.5,
    "classes": ["background", "lesion"],
    "precision": "float32",
    "producer": "segkit 0",
    "notice": "For research.",
    "trained": False,
}


class Darkness(nn.Module):
    """Logits that are positive where the picture is dark."""

    def forward(self, image: Tensor) -> Tensor:
        return 4 * (0.5 - image.mean(1, keepdim=True))


@pytest.fixture
def subject():
    return Subject(Darkness().eval(), dict(CARD))


class Numbers:
    """A format that writes an offset and adds it to the answers."""

    precisions = ("float32", "int8")
    inside = False
    fixed = False

    def __init__(self, offset: float):
        self.offset = offset

    def file_name(self, stem, options):
        return f"{stem}.num"

    def write(self, subject, path, options):
        self.subject = subject
        path.write_text(str(self.offset))
        path.with_suffix(".extra").write_text("a second file")
        return {"nodes": 1}

    def load(self, path, options):
        offset = float(path.read_text())
        return lambda inputs: self.subject.logits(inputs) + np.float32(offset)


@pytest.fixture
def exporter(monkeypatch):
    """Offer `Numbers(offset)` as the exporter "num"."""

    def offer(offset):
        value = Exporter("num", "Numbers.", lambda: Numbers(offset), ".num")
        monkeypatch.setattr(plugins, "get", lambda group, name: value)

    return offer


def test_an_equal_file_is_kept_with_its_report(subject, exporter, tmp_path):
    exporter(0.0)
    report = export(subject, "num", tmp_path / "out")
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "tiny.extra",
        "tiny.num",
        "tiny.num.check.json",
    ]
    assert json.loads(json.dumps(report)) == paths.read_json(
        tmp_path / "out" / "tiny.num.check.json"
    )
    assert report["passed"] is True
    assert report["sha256"] == paths.sha256(tmp_path / "out" / "tiny.num")
    assert [list(case["shape"]) for case in report["cases"]] == [
        [1, 3, 64, 64],
        [2, 3, 64, 128],
        [1, 3, 45, 77],
    ]


def test_a_file_that_answers_otherwise_is_not_kept(subject, exporter, tmp_path):
    exporter(0.002)
    with pytest.raises(SegkitError, match="a logit differs by 2") as caught:
        export(subject, "num", tmp_path)
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_survives_a_failed_export(subject, exporter, tmp_path):
    (tmp_path / "tiny.num").write_text("earlier")
    exporter(1.0)
    with pytest.raises(SegkitError):
        export(subject, "num", tmp_path)
    assert (tmp_path / "tiny.num").read_text() == "earlier"


def test_the_tolerance_can_be_set(subject, exporter, tmp_path):
    exporter(0.002)
    report = export(subject, "num", tmp_path, ExportOptions(tolerance=0.01))
    assert report["bounds"]["logits"] == 0.01


class Louder(Darkness):
    """The same with logits up to a given size."""

    def __init__(self, largest: float):
        super().__init__()
        self.largest = largest

    def forward(self, image: Tensor) -> Tensor:
        logits = super().forward(image)
        return logits * (self.largest / logits.abs().max())


def test_the_bound_grows_with_the_logits(subject, exporter, tmp_path):
    exporter(0.002)
    with pytest.raises(
        SegkitError, match=r"differs by 2\.00e-03 \(the largest is 1\), bound 0\.001"
    ):
        export(replace(subject, network=Louder(1.0)), "num", tmp_path)
    loud = replace(subject, network=Louder(1000.0))
    report = export(loud, "num", tmp_path)
    assert report["bounds"]["relative"] == 1e-5
    assert [case["bound"] for case in report["cases"]] == pytest.approx([0.01] * 3)
    with pytest.raises(SegkitError, match="differs by 2"):
        export(loud, "num", tmp_path, ExportOptions(tolerance=0.001))  # a tolerance is absolute


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        (lambda logits: logits * np.nan, "not finite"),
        (lambda logits: logits[..., :-1], "it gives"),
        (lambda logits: -logits, "flip"),
    ],
)
def test_other_faults(subject, runner, reason):
    bounds = replace(BOUNDS["float32"], logits=None)
    with pytest.raises(SegkitError, match=reason):
        check(subject, lambda inputs: runner(subject.logits(inputs)), bounds)


def test_int8_is_bound_by_dice(subject):
    def half_blind(inputs):
        logits = subject.logits(inputs)
        logits[..., ::4] = -1
        return logits

    cases = [
        parity.compare(subject, half_blind, name, images) for name, images in pictures(subject)
    ]
    worst = min(case.dice for case in cases)
    assert 0 < worst < 1
    assert check(subject, half_blind, Bounds(None, 1.0, worst - 0.01))
    with pytest.raises(SegkitError, match="Dice"):
        check(subject, half_blind, Bounds(None, 1.0, worst + 0.01))


def test_real_pictures_are_compared_too(subject):
    real = np.full((3, 64, 64, 3), 9, np.uint8)
    cases = check(replace(subject, images=real), subject.logits, BOUNDS["float32"])
    assert [case.name for case in cases][-1] == "validation pictures"
    assert cases[-1].shape == (3, 3, 64, 64)


def test_the_truth_is_compared_where_it_is_known(subject, exporter, tmp_path):
    images = pictures(subject)[0][1]
    masks = (images.mean(-1) < 127.5).astype(np.uint8)
    masks[:, ::2] = 0  # half of each mask
    exporter(0.0)
    report = export(replace(subject, images=images, masks=masks), "num", tmp_path)
    found = report["dice_with_truth"]
    assert found["pictures"] == 1
    assert found["network"] == found["file"] == pytest.approx(2 / 3, abs=0.03)
    assert export(subject, "num", tmp_path)["dice_with_truth"] is None


def test_a_network_of_one_size_is_checked_at_three_batches(subject):
    fixed = replace(subject, card=CARD | {"fixed_size": True})
    assert [images.shape[:3] for _, images in pictures(fixed)] == [
        (1, 64, 64),
        (2, 64, 64),
        (3, 64, 64),
    ]


def test_int8_needs_pictures_and_formats_state_their_precisions(subject, exporter, tmp_path):
    exporter(0.0)
    with pytest.raises(UsageError, match="validation pictures"):
        export(subject, "num", tmp_path, ExportOptions(precision="int8"))
    with pytest.raises(UsageError, match="no precision fp16"):
        export(subject, "num", tmp_path, ExportOptions(precision="fp16"))


def test_a_missing_package_is_named_before_work_starts(subject, monkeypatch, tmp_path):
    value = Exporter("num", "", lambda: Numbers(0), ".num", "some", ("no_such_package_here",))
    monkeypatch.setattr(plugins, "get", lambda group, name: value)
    with pytest.raises(MissingExtra, match=r"segkit\[some\]"):
        export(subject, "num", tmp_path)


def test_names(subject):
    numbers, options = Numbers(0), ExportOptions()
    assert place(Path("a"), numbers, subject, options) == Path("a/tiny.num")
    assert place(Path("a/b.num"), numbers, subject, options) == Path("a/b.num")
    half = replace(subject, card=CARD | {"run": "my.run", "precision": "fp16"})
    assert place(Path("a"), numbers, half, options) == Path("a/my.run-fp16.num")


@pytest.mark.parametrize("rule", ["unit", "half", "imagenet", "minmax", "minmax_signed"])
@pytest.mark.parametrize("colour", ["rgb", "ycrcb"])
def test_preprocessing_inside_equals_outside(subject, rule, colour):
    subject = replace(subject, card=CARD | {"normalise": rule, "colour": colour})
    images = pictures(subject)[0][1]
    outside = subject.logits(subject.inputs(images))
    inside = with_preprocessing(subject)
    assert inside.inputs(images).dtype == np.uint8
    np.testing.assert_allclose(inside.logits(inside.inputs(images)), outside, atol=1e-5)


def test_a_target_nobody_knows():
    with pytest.raises(UsageError, match="did you mean 'unet'"):
        find_subject("unnet")


def test_an_untrained_architecture_is_the_same_every_time():
    one, other = (find_subject("unet", size=(64, 64)) for _ in range(2))
    assert one.card["trained"] is False
    assert json.dumps(one.card) == json.dumps(other.card)
    for left, right in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(
    ("message", "operator"),
    [
        (
            "No ONNX function found for <OpOverload(op='mylib.wave', overload='default')>",
            "mylib::wave",
        ),
        ("mylib.wave.default: no fake impl", "mylib::wave"),
        ("the size 3.5 does not fit", None),
    ],
)
def test_the_operator_in_an_error_message(message, operator):
    error = ValueError("outer")
    error.__cause__ = RuntimeError(message)
    assert failing_operator(error) == operator


@pytest.mark.parametrize("colour", ["rgb", "ycrcb"])
@pytest.mark.parametrize("rule", ["unit", "half", "imagenet", "minmax", "minmax_signed"])
def test_every_preprocessing_is_traced_for_any_batch(subject, rule, colour):
    card = CARD | {"normalise": rule, "colour": colour}
    inside = with_preprocessing(replace(subject, card=card))
    program = trace(inside).module()
    images = np.random.default_rng(0).integers(0, 256, (3, 29, 41, 3), dtype=np.uint8)
    found = program(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, inside.logits(images), atol=1e-6)


class Turning(nn.Module):
    """Tokens made a map and tokens again, as attention blocks in a row do."""

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        tokens = image.flatten(2).transpose(1, 2) * 2
        again = tokens.transpose(1, 2).unflatten(2, (height, width)).flatten(2).transpose(1, 2)
        back = (again + 1).transpose(1, 2).unflatten(2, (height, width))
        return back.mean(1, keepdim=True)


def test_layouts_that_undo_each_other_are_dropped(subject):
    turning = replace(subject, network=Turning().eval())
    program = trace(turning)
    names = [str(node.target) for node in program.graph.nodes]
    assert names.count("aten.transpose.int") == 2
    assert names.count("aten.unflatten.int") == names.count("aten.flatten.using_ints") == 1
    image = torch.rand(1, 3, 40, 52)
    torch.testing.assert_close(program.module()(image), turning.network(image))
