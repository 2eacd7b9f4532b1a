"""WKV: every form against the definition, in value and gradient."""

import pytest
import torch

from segkit.ops import bidirectional_wkv, flops, reference, wkv

FORMS = (wkv.by_running_sums, wkv.by_doubling)


def drawn(length, decay, kind=torch.float64):
    generator = torch.Generator().manual_seed(length)
    k, v = (torch.randn(2, length, 3, generator=generator, dtype=kind) for _ in range(2))
    w, u = (torch.randn(3, generator=generator, dtype=kind) for _ in range(2))
    return w * decay / length, u, k * 3, v


@pytest.mark.parametrize("decay", [0.0, 1.0, -2.0, 20.0])
@pytest.mark.parametrize("length", [1, 2, 5, 33])
@pytest.mark.parametrize("form", FORMS)
def test_forms_equal_the_definition(form, length, decay):
    inputs = [x.requires_grad_() for x in drawn(length, decay)]
    wanted, found = reference.wkv(*inputs), form(*inputs)
    assert torch.allclose(found, wanted, rtol=1e-11, atol=1e-12)
    weights = torch.randn_like(wanted)
    expected, mine = (
        torch.autograd.grad((y * weights).sum(), inputs, materialize_grads=True)
        for y in (wanted, found)
    )
    for one, theirs in zip(mine, expected, strict=True):
        assert torch.allclose(one, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("decay", [0.0, 5.0, 28.0, 500.0, -400.0])
def test_float32_holds_for_every_decay(decay):
    w, u, k, v = drawn(50, decay)
    wanted = reference.wkv(w, u, k, v)
    found = bidirectional_wkv(w.float() * 50, u.float() * 50, k.float(), v.float())
    assert torch.allclose(found.double(), wanted, atol=2e-5)


def test_running_sums_alone_do_not_hold_for_large_decays():
    """The reason for the second form."""
    w, u, k, v = (x.float() for x in drawn(50, 500.0))
    assert not torch.allclose(
        wkv.by_running_sums(w, u, k, v), wkv.by_doubling(w, u, k, v), atol=1e-2
    )


def test_two_tokens_by_hand():
    k, v = torch.zeros(1, 2, 1), torch.tensor([[[1.0], [3.0]]])
    y = bidirectional_wkv(torch.zeros(1), torch.zeros(1), k, v)  # every weight is 1
    assert torch.allclose(y, torch.full_like(y, 2.0), atol=1e-5)
    y = bidirectional_wkv(torch.zeros(1), torch.full((1,), 2 * 9.0), k, v)  # e^9 on oneself
    assert torch.allclose(y, v, atol=1e-3)


def test_gradient_reaches_all_four():
    inputs = [torch.rand(3), torch.rand(3), torch.rand(1, 4, 3), torch.rand(1, 4, 3)]
    inputs = [x.requires_grad_() for x in inputs]
    bidirectional_wkv(*inputs).square().sum().backward()
    assert all(bool(x.grad.any()) for x in inputs)


def test_half_precision_computes_in_float32():
    w, u, k, v = (x.float() for x in drawn(20, 2.0))
    y = bidirectional_wkv(w, u, k.bfloat16(), v.bfloat16())
    assert y.dtype == torch.bfloat16
    assert torch.allclose(y.float(), bidirectional_wkv(w, u, k, v), atol=0.1)


def test_its_operations_are_counted():
    from segkit.engine.costs.counting import count

    class Mixer(torch.nn.Module):
        def forward(self, image):
            tokens = image.flatten(2).transpose(1, 2)
            return bidirectional_wkv(torch.ones(3), torch.ones(3), tokens, tokens)

    counted = count(Mixer(), (1, 3, 4, 5))
    assert counted.scan_ops == 2 * 2 * 20 * 3 == flops.wkv_updates((1, 20, 3))
    assert counted.uncounted == {}
