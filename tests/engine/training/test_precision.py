"""Number formats and compilation: what is chosen, and the clean way back."""

import torch
from torch import nn

from segkit.engine.training import precision
from segkit.events import FoldNote

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_is_off_on_a_cpu_and_bf16_on_a_gpu_that_has_it(monkeypatch):
    assert precision.choose("auto", CPU) is None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert precision.choose("auto", GPU) is torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert precision.choose("auto", GPU) is torch.float16
    assert precision.choose("bf16", CPU) is torch.bfloat16
    assert precision.choose("off", GPU) is None


def test_autocast_computes_in_the_format():
    layer, image = nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)
    with precision.autocast(torch.bfloat16, CPU):
        assert layer(image).dtype == torch.bfloat16
    with precision.autocast(None, CPU):
        assert layer(image).dtype == torch.float32


def test_the_precision_is_said():
    assert precision.describe_precision(torch.bfloat16, CPU) == "bf16 over fp32"
    assert precision.describe_precision(None, CPU) == "fp32"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2))

    def forward(self, image):
        return (self.body(image),)


def test_a_failing_compiler_falls_back_with_a_reason(monkeypatch):
    def broken(module):
        def call(image):
            raise RuntimeError("no C compiler\nmore lines")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    module = Two()
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    found, note = precision.compiled(module, (2, 1, 8, 8), CPU)
    assert found is module
    assert note == "not compiled: RuntimeError: no C compiler"
    for name, value in module.state_dict().items():
        assert torch.equal(value, kept[name])


def test_the_trial_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module: module)
    module, random = Two(), torch.get_rng_state()
    _, note = precision.compiled(module, (2, 1, 8, 8), CPU)
    assert note == "compiled"
    assert module.body[1].num_batches_tracked == 0
    assert module.body[0].weight.grad is None
    assert torch.equal(torch.get_rng_state(), random)


def test_channels_last_is_kept_by_weights_and_images():
    module = nn.Conv2d(4, 4, 3)
    precision.lay_out(module, True)
    image = precision.in_memory_format(torch.zeros(1, 4, 8, 8), True)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
    assert image.is_contiguous(memory_format=torch.channels_last)
    plain = torch.zeros(1, 4, 8, 8)
    assert precision.in_memory_format(plain, False) is plain


def test_how_compiling_went_is_an_event(home, tmp_path, monkeypatch):
    from short_runs import recipe, run

    monkeypatch.setattr(torch, "compile", lambda module: module)
    events = run(recipe(train={"epochs": 1, "compile": True}), tmp_path / "r", folds=[0])
    assert FoldNote(0, 0, "compiled") in events
