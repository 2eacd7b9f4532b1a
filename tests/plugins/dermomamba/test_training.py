"""Training steps of DermoMamba: half precision, and learning."""

import pytest
import torch

from segkit import build
from segkit.engine.objective import make_loss
from segkit.ops import available_backends, dispatch, using_backend

TRAINABLE = [name for name in ("native", "torch") if name in available_backends()]


@pytest.fixture
def scanned(monkeypatch):
    """The types of every scan that runs."""
    types = set()
    choose = dispatch.for_ss2d

    def spy(args):
        types.update(item.dtype for item in args)
        return choose(args)

    monkeypatch.setattr(dispatch, "for_ss2d", spy)
    return types


@pytest.mark.parametrize("backend", TRAINABLE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_steps_are_finite_and_scan_in_float32(scanned, backend, dtype):
    torch.manual_seed(0)
    network = build.create("dermomamba", grid=[2, 2]).train()
    image = torch.rand(2, 3, 64, 64)
    mask = (image.mean(1) > 0.5).long()
    with using_backend(backend), torch.autocast("cpu", dtype=dtype):
        logits = network(image)
    loss = make_loss("guide_fusion")(logits, mask)
    with using_backend(backend):
        (1024 * loss).backward()  # a gradient scaler's factor, so that float16 does not underflow
    assert logits.dtype == dtype
    assert loss.isfinite()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    assert all(g is not None and g.isfinite().all() for g in gradients.values())
    assert scanned == {torch.float32}
