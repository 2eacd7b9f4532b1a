"""What VMPANet costs: the honest count, and the paper's counter that gives 1.159 G."""

import pytest
import torch

from segkit.api import resolve
from segkit.engine.costs.counting import count
from segkit_vmpanet import ARCHITECTURE, VMPANetConfig
from segkit_vmpanet.counter import count_modules, count_parts
from segkit_vmpanet.model import VMPANet


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        return VMPANet()


def test_the_papers_counter(network):
    name, counter = ARCHITECTURE.paper_counter
    assert "thop" in name
    assert resolve(counter)(network, (256, 256)) == 1_160_096_176


SIZES = [(64, 0.072518), (128, 0.290034), (224, 0.888202), (512, 4.640347)]


@pytest.mark.parametrize(("side", "gigas"), SIZES)
def test_the_papers_counter_at_other_sizes(network, side, gigas):
    operations = resolve(ARCHITECTURE.paper_counter[1])(network, (side, side))
    assert operations / 1e9 == pytest.approx(gigas, abs=5.1e-7)


def test_the_papers_counter_by_kind(network):
    assert count_modules(network, (256, 256)) == {
        "conv": 831_980_416,
        "linear": 146_472_960,
        "batchnorm": 59_951_104,
        "layernorm": 22_265_856,
        "upsample": 98_492_416,
        "avgpool": 927_744,
        "softmax": 5_680,
    }


LEVELS = {
    "encoders": (173_801_472, 186_712_064, 121_913_344, 57_937_920, 23_512_064),
    "decoders": (221_511_808, 130_089_472, 56_050_816, 21_108_736, 7_356_544),
    "fusions": (34_603_192, 22_151_920, 10_487_464, 4_254_688),
    "heads": (524_288, 12_582_912, 18_874_368, 25_165_824, 31_457_280),
}


@pytest.mark.parametrize("group", LEVELS)
def test_the_papers_counter_by_level(network, group):
    counted = count_parts(network, (256, 256))
    levels = LEVELS[group]
    assert tuple(counted[f"{group}.{level}"] for level in range(len(levels))) == levels


def test_honest_counts(network):
    counted = count(network, (256, 256))
    assert counted.macs == 1_516_045_184
    assert counted.flops == 5_184_456_448
    assert not counted.uncounted
    tokens = [65_536 // 4**level for level in range(5)]
    widths = VMPANetConfig().channels
    updates = sum(2 * t * 4 * 2 * c * 16 for t, c in zip(tokens, widths, strict=True))
    assert counted.scan_ops == updates
    assert counted.flops == 2 * counted.macs + 9 * updates + updates // 16


def test_honest_counts_of_all_heads(network):
    counted = count(network, (256, 256), method="forward_aux")
    assert counted.macs / 1e9 == pytest.approx(1.52339, abs=5.1e-6)
    kinds = counted.by_kind
    assert (kinds["conv"] + kinds["linear"]) / 1e9 == pytest.approx(0.97845, abs=5.1e-6)
    assert kinds["scan"] / 1e9 == pytest.approx(0.50954, abs=5.1e-6)
    assert kinds["matmul"] / 1e9 == pytest.approx(0.03539, abs=5.1e-6)
    assert 9 * counted.scan_ops / 1e9 == pytest.approx(2.1375, abs=5.1e-5)
