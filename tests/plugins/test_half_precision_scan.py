"""Networks with scans under autocast: everything finite, the scans themselves in float32."""

import pytest
import torch

from segkit import build
from segkit.engine.training.objective import make_loss
from segkit.ops import available_backends, dispatch, using_backend

TRAINABLE = [name for name in ("native", "torch") if name in available_backends()]
SCALE = 1024  # a gradient scaler's factor, so that float16 does not underflow


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


def dermomamba_step(dtype, image, mask):
    network = build.create("dermomamba", grid=[2, 2]).train()
    with torch.autocast("cpu", dtype=dtype):
        logits = network(image)
    return network, [logits], make_loss("guide_fusion")(logits, mask)


def vmpanet_step(dtype, image, mask):
    network, loss = build.create("vmpanet").train(), make_loss("bce_dice")
    with torch.autocast("cpu", dtype=dtype):
        outputs = network.forward_aux(image)
    return network, outputs, torch.stack([loss(out.float(), mask) for out in outputs]).sum()


@pytest.mark.parametrize("backend", TRAINABLE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("step", [dermomamba_step, vmpanet_step])
def test_autocast_steps_are_finite_and_scan_in_float32(scanned, backend, dtype, step):
    image = torch.rand(2, 3, 64, 64)
    mask = (image.mean(1) > 0.5).long()
    with using_backend(backend):
        network, outputs, loss = step(dtype, image, mask)
        (SCALE * loss).backward()
    assert {output.dtype for output in outputs} == {dtype}
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert scanned == {torch.float32}
