"""What DermoMamba costs: the honest count, and the paper's counter that gives 0.97 G."""

import pytest
import torch

from segkit import build
from segkit.api import resolve
from segkit.engine.costs.counting import count
from segkit_dermomamba import ARCHITECTURE, DermoMambaConfig
from segkit_dermomamba.model import WIDTHS, DermoMamba


def make(grid=(6, 8)):
    with torch.device("meta"):
        return DermoMamba(DermoMambaConfig(grid=grid))


HONEST = [
    ((192, 256), (6, 8), 3_784_934_528, 147_456_000, 8_906_189_056),
    ((256, 256), (6, 8), 5_046_216_448, 196_476_928, 11_873_005_056),
    ((64, 64), (6, 8), 315_917_728, 12_451_840, 744_680_256),
    ((64, 64), (2, 2), 315_475_872, 12_288_000, 742_311_744),
]


@pytest.mark.parametrize(("size", "grid", "macs", "updates", "flops"), HONEST)
def test_honest_counts(size, grid, macs, updates, flops):
    counted = count(make(grid), size)
    assert (counted.macs, counted.scan_ops, counted.flops) == (macs, updates, flops)
    assert not counted.uncounted


def ss2d_macs(d, tokens):
    return tokens * (6 * d * d + 18 * d + 8 * d * (2 * -(-d // 16) + 32))


@pytest.mark.parametrize(("size", "grid"), [((192, 256), (6, 8)), ((96, 128), (3, 5))])
def test_counts_follow_the_formulas(size, grid):
    """Multiply-accumulates part by part, written out."""
    pixels = [size[0] * size[1] // 4**stage for stage in range(5)]
    h, w = size[0] // 32, size[1] // 32
    total = (3 + 1) * 16 * pixels[0] + 81 * 512 * h * w  # stem, head, PCA
    total += 65_536 * h * w + ss2d_macs(64, h * w)  # Sweep
    total += ss2d_macs(grid[0], 64 * w) + ss2d_macs(grid[1], 64 * h)
    for c, p in zip(WIDTHS, pixels, strict=True):
        d = c // 4
        total += p * (27 * c * c + 69 * d) + ss2d_macs(d, 3 * p)  # encoder
        total += 98 * p + (2 * c) ** 2 // 4  # CBAM
        total += 26 * c * c * p  # decoder, 2c channels in
    updates = sum(128 * (c // 4) * 3 * p for c, p in zip(WIDTHS, pixels, strict=True))
    updates += 128 * (64 * h * w + grid[0] * 64 * w + grid[1] * 64 * h)
    counted = count(make(grid), size)
    assert (counted.macs, counted.scan_ops) == (total, updates)


def test_multiply_accumulates_of_every_part():
    modules = count(make(), (192, 256)).modules
    macs = {name: tally.macs for name, tally in modules.items()}
    assert [macs[f"encoder.{i}"] for i in range(5)] == [
        538_509_312, 446_201_856, 400_048_128, 378_150_912, 367_202_304,
    ]  # fmt: skip
    assert [macs[f"gates.{i}"] for i in range(5)] == [
        4_817_152, 1_205_248, 305_152, 91_648, 84_352,
    ]  # fmt: skip
    assert [macs[f"decoder.{i}"] for i in range(5)] == [327_155_712] * 5
    assert (macs["stem"], macs["head"]) == (2_359_296, 786_432)
    assert macs["bottleneck.attention"] == 1_990_656
    assert macs["bottleneck.sweep"] == 7_403_520
    updates = [modules[f"encoder.{i}"].scan_ops for i in range(5)]
    assert updates == [75_497_472 >> i for i in range(5)]
    assert modules["bottleneck.sweep"].scan_ops == 1_179_648


def test_the_papers_counter():
    name, counter = ARCHITECTURE.paper_counter
    assert "fvcore" in name
    assert resolve(counter)(make(), (192, 256)) == 965_897_216
    assert round(965_897_216 / 1e9, 2) == ARCHITECTURE.published.gflops


def test_what_the_papers_counter_does_not_see():
    """61 convolutions with string padding: 2.86 G of the 3.78 G."""
    from segkit_dermomamba.counter import _rules

    network = make()
    seen = {module for module, _ in _rules(network)}
    convs = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sum(conv not in seen for conv in convs) == 61


def test_counting_leaves_the_network_as_it_was():
    network = build.create("dermomamba").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    counter = resolve(ARCHITECTURE.paper_counter[1])
    assert counter(network, (64, 64)) == counter(network, (64, 64))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
