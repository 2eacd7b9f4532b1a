"""The counter against hand counts and torch's own counter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from segkit.engine.costs.counting import count


def _of(forward, shape, *layers):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(layers)

        def forward(self, image: Tensor) -> Tensor:
            return forward(image, *self.layers)

    return count(Net(), shape)


@pytest.mark.parametrize(
    ("layer", "shape", "kind", "macs"),
    [
        # 8 outputs x 3 inputs x 3x3 weights at every one of 6x5 pixels
        (nn.Conv2d(3, 8, 3, padding=1), (3, 6, 5), "conv", 8 * 3 * 9 * 30),
        (nn.Conv2d(3, 8, 3, padding="same", bias=False), (3, 6, 5), "conv", 8 * 3 * 9 * 30),
        (nn.Conv2d(4, 8, 3, stride=2, groups=4), (4, 9, 9), "conv", 8 * 1 * 9 * 16),
        (nn.Conv2d(4, 4, (1, 7), dilation=(1, 2)), (4, 5, 20), "conv", 4 * 4 * 7 * 5 * 8),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (4, 5, 7), "conv_transposed", 4 * 35 * 6 * 4),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), (4, 5, 7), "conv_transposed", 4 * 35 * 3 * 9),
        (nn.Linear(7, 11), (3, 5, 7), "linear", 3 * 5 * 7 * 11),
        (nn.Linear(7, 11, bias=False), (3, 5, 7), "linear", 3 * 5 * 7 * 11),
    ],
)
def test_layers_by_hand(layer, shape, kind, macs):
    counted = _of(lambda image, inner: inner(image), (1, *shape), layer)
    assert counted.by_kind == {kind: macs}
    assert (counted.macs, counted.flops, counted.uncounted) == (macs, 2 * macs, {})


@pytest.mark.parametrize(
    ("product", "macs"),
    [
        (lambda x: x @ x.transpose(-1, -2), 2 * 3 * 6 * 5 * 6),
        (lambda x: torch.einsum("bchw,bcvw->bchv", x, x), 2 * 3 * 6 * 5 * 6),
        (lambda x: torch.einsum("bchw,kc->bkhw", x, torch.ones(4, 3)), 2 * 4 * 3 * 30),
        (lambda x: x.flatten(0, 2) @ torch.ones(5), 2 * 3 * 6 * 5),
        (lambda x: torch.bmm(x[:, 0], x[:, 1].mT), 2 * 6 * 5 * 6),
        (lambda x: torch.baddbmm(torch.ones(6, 6), x[:, 0], x[:, 1].mT), 2 * 6 * 5 * 6),
    ],
)
def test_products_by_hand(product, macs):
    assert _of(product, (2, 3, 6, 5)).by_kind == {"matmul": macs}


def test_attention_counts_both_products():
    counted = _of(lambda x: F.scaled_dot_product_attention(x, x, x), (2, 3, 10, 8))
    assert counted.by_kind == {"attention": 2 * 3 * (10 * 10 * 8 + 10 * 10 * 8)}


def test_norms_and_moves_are_listed_apart():
    layers = nn.BatchNorm2d(3), nn.GroupNorm(1, 3)

    def forward(image, batch_norm, group_norm):
        x = F.max_pool2d(F.silu(group_norm(batch_norm(image))), 2)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear").softmax(1).permute(0, 2, 3, 1)

    counted = _of(forward, (1, 3, 4, 4), *layers)
    assert counted.macs == 0
    assert counted.uncounted == {}
    wanted = {"norm": 96, "pointwise": 48, "pool": 12, "resize": 48, "softmax": 48}
    assert counted.elements == wanted


def test_batch_multiplies_and_meta_leaves_the_module_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = network[1].running_mean.clone()
    assert count(network, (5, 3, 8, 8)).macs == 5 * count(network, (8, 8)).macs
    assert network.training
    assert torch.equal(network[1].running_mean, before)
    assert not network[0]._forward_hooks
    assert not network[0]._forward_pre_hooks


def test_equals_torchs_counter_where_both_count():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.up = nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
            self.mix = nn.Linear(4, 6)

        def forward(self, image):
            x = self.mix(self.up(self.down(image).relu()).flatten(2).mT)
            return torch.einsum("bnc,bmc->bnm", x, x).softmax(-1) @ x

    network = Net()
    with FlopCounterMode(display=False) as theirs:
        network(torch.rand(2, 3, 12, 16))
    assert 2 * count(network, (2, 3, 12, 16)).macs == theirs.get_total_flops()


@torch.library.custom_op("segkit_tests::mystery", mutates_args=())
def mystery(x: Tensor) -> Tensor:
    return x * 2 + 1


def test_an_operator_nobody_knows_is_listed():
    counted = _of(lambda image: mystery(mystery(image)), (1, 3, 4, 4))
    assert counted.uncounted == {"segkit_tests::mystery": 2}
    assert counted.macs == 0


def test_complex_transforms_are_listed_too():
    counted = _of(lambda image: torch.fft.fft2(image).real, (1, 3, 4, 4))
    assert list(counted.uncounted) == ["aten::_fft_c2c"]


def test_modules_sum_up_also_in_lists_that_are_never_called():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)])

        def forward(self, image):
            for block in self.blocks:
                image = block(image)
            return image

    modules = count(Net(), (4, 4)).modules
    assert modules["blocks.0"].macs == 9 * 16
    assert modules["blocks"].macs == modules[""].macs == 9 * 16 + 81 * 16


def test_real_tensors_are_counted_where_shapes_do_not_suffice():
    """A branch on values cannot run on shapes alone."""

    def forward(image, conv):
        return conv(image) if bool(image.sum() >= 0) else image

    assert _of(forward, (1, 3, 4, 4), nn.Conv2d(3, 2, 1)).macs == 6 * 16
