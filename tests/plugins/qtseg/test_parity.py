"""QTSeg's function, to the last digit: the parity table of the paper's released network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from segkit.nn.formulas import force
from segkit_qtseg import CeDiceConfig
from segkit_qtseg.loss import CeDice, dice_loss

sys.path.insert(0, str(Path(__file__).parent))
from qtseg_filling import filled, fingerprint, image, labels, uniform

TOLERANCE = 1e-7
BLOCK = "decoder.stages.2.blocks.0"

# module (index of its output, if it gives several) -> mean, std, first, middle, last
EVERY_FORM = {
    "encoder.conv_0": (0.149416239, 0.440197487, 0.288477539, 0.353404777, 0.604243188),
    "encoder.c2f_4": (0.001194573, 0.162329951, -0.012558033, -0.044212938, -0.041201907),
    "encoder.sppf_9": (0.007588943, 0.072951743, 0.083690716, 0.093329516, -0.042770889),
    "encoder.c2f_15": (0.005345280, 0.071958742, 0.051452651, 0.077430026, 0.028667394),
    "encoder.c2f_18": (-0.004532642, 0.063196792, -0.022359487, -0.022042167, 0.047873348),
    "encoder.c2f_21": (0.005617921, 0.060541554, -0.111388942, -0.106745444, -0.061217298),
    "bridge:0": (0.003061912, 0.074426854, 0.040195243, 0.046472944, 0.079069216),
    "bridge:1": (0.003358274, 0.073451159, 0.023646335, 0.003189137, -0.001214148),
    "bridge:2": (0.003989801, 0.062311555, 0.016515882, -0.034876407, -0.017104206),
    f"{BLOCK}.norm_mix": (0.007655752, 1.013673809, 0.758612968, 0.759373890, -0.501738565),
    f"{BLOCK}:0": (-0.006516430, 1.183909614, -1.995581693, -1.975745832, 0.203247192),
    f"{BLOCK}:1": (0.043926662, 0.963612752, 2.962125255, 2.941443736, -0.129050889),
    "decoder.stages.2:0": (0.001085712, 0.994897232, -1.258787311, -1.241696300, -0.519832076),
    "decoder.stages.1:1": (0.202021605, 1.458620981, 0.112867056, 0.047093392, 1.130318449),
    "decoder.stages.0:0": (0.004310861, 1.011040702, -1.243420634, -1.176118461, -2.296397949),
}
WRITTEN_ONLY = {
    f"{BLOCK}.cab": (0.035096698, 0.516502363, 0.782545833, 0.744820426, -0.123777575),
    f"{BLOCK}.sam": (0.042522282, 1.055903416, 1.557387563, 1.478091128, -0.275904758),
}
LOGITS = (-1.701090475, 1.672302389, -2.360686090, -2.405955831, -2.107991819)
MLFD_OFF = (-1.243862399, 1.366954630, 2.081757286, 1.999569289, -1.562706347)
THREE = (0.424665702, 2.457972442, -3.142421283, -3.102456071, 1.861089297)
ONE = (-5.664482561, 1.490798087, -5.980738148, -5.612775120, -9.175359130)
SHORT = (-0.361565303, 1.790020234, 0.477962192, 0.528035800, 0.391663851)
VARIANTS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "mlfd off": ({"mlfd": False}, MLFD_OFF),
    "K=3": ({"num_classes": 3}, THREE),
    "K=1": ({"num_classes": 1}, ONE),
    "one block per level": ({"blocks": (1, 1, 1)}, SHORT),
}


def close(found: float | list[float], expected: float | tuple[float, ...]) -> bool:
    return found == pytest.approx(expected, abs=TOLERANCE, rel=TOLERANCE)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return filled()


def test_hash_stream() -> None:
    first = [-0.97813833, -0.57252372, -0.93119053, -0.91312276]
    assert uniform(0, 4) == pytest.approx(first, abs=1e-8)
    assert uniform(7, 2) == pytest.approx([0.81645157, -0.01372967], abs=1e-8)


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize("gradients", [True, False])
def test_every_row_of_the_table(network: nn.Module, form: str, gradients: bool) -> None:
    rows = EVERY_FORM | (WRITTEN_ONLY if form == "written" else {})
    found: dict[str, list[float]] = {}
    with torch.set_grad_enabled(gradients), force(form):  # type: ignore[arg-type]
        handles = [_record(network, row, found) for row in rows]
        logits = network(image())
    for handle in handles:
        handle.remove()
    wrong = {row: found[row] for row in rows if not close(found[row], rows[row])}
    assert not wrong
    assert close(fingerprint(logits), LOGITS)


def _record(network: nn.Module, row: str, found: dict[str, list[float]]) -> RemovableHandle:
    name, _, index = row.partition(":")

    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        found[row] = fingerprint(output[int(index)] if index else output)

    return network.get_submodule(name).register_forward_hook(hook)


def test_position_features(network: nn.Module) -> None:
    tokens = network.decoder.positions[2]((2, 2))  # type: ignore[index, union-attr, operator]
    expected = (0.023490920, 0.706716475, 0.990186234, -0.139754151, -0.177518831)
    assert close(fingerprint(tokens.t()), expected)


def test_low_logits_and_embedding(network: nn.Module) -> None:
    tokens, embedding = network.embed(image())  # type: ignore[operator]
    low = torch.einsum("bkc,bchw->bkhw", tokens, embedding)
    assert low.shape == (2, 2, 32, 32)
    assert close(fingerprint(low), (-1.701090475, 2.305163317, *LOGITS[2:]))
    expected = (0.288319855, 0.609903676, 1.718676753, 1.696273044, -0.137057956)
    assert embedding.shape == (2, 64, 32, 32)
    assert close(fingerprint(embedding), expected)


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(variant: str, form: str) -> None:
    config, expected = VARIANTS[variant]
    with force(form):  # type: ignore[arg-type]
        assert close(fingerprint(filled(**config)(image())), expected)


def test_losses(network: nn.Module) -> None:
    logits = network(image())
    assert close(F.cross_entropy(logits, labels()).item(), 1.358840853)
    assert close(dice_loss(logits, labels()).item(), 0.382673869)
    assert close(CeDice(CeDiceConfig())(logits, labels()).item(), 1.741514723)
    assert close(float(logits.argmax(1).double().mean()), 0.869873047)


def test_losses_of_three_classes() -> None:
    truth = labels()
    truth[:, :16] = 2
    logits = filled(num_classes=3)(image())
    ce = CeDice(CeDiceConfig(dice=0.0))(logits, truth)
    assert close(ce.item(), 2.833398955)
    assert close(dice_loss(logits, truth).item(), 2.235725827)


@pytest.mark.parametrize("form", ["written", "fast"])
def test_training_step(form: str) -> None:
    network = filled().train()
    with force(form):  # type: ignore[arg-type]
        logits = network(image())
    expected = (-0.850625570, 2.631191846, -3.474904408, -2.015618278, -1.609897112)
    assert close(fingerprint(logits), expected)
    total = CeDice(CeDiceConfig())(logits, labels())
    total.backward()
    assert close(total.item(), 2.595452263)
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert len(grads) == 449
    norm = torch.stack([g.norm() for g in grads.values()]).norm()
    assert close(float(norm), 261.2007124)
    assert close(float(grads["decoder.tokens.weight"].norm()), 0.477324592)
    assert close(float(grads["encoder.conv_0.conv.weight"].norm()), 46.77664599)
    assert close(float(grads[f"{BLOCK}.cab.gamma"]), -0.0242234964)
    bn = network.encoder.conv_0.bn  # type: ignore[union-attr]
    assert close(float(bn.running_mean[0]), -0.0208742048)  # type: ignore[index, union-attr]
    assert close(float(bn.running_var[0]), 0.9930642017)  # type: ignore[index, union-attr]


@pytest.mark.parametrize(("mode", "deviation"), [("eval", 1e-4), ("train", 1e-3)])
def test_float32_stays_near(network: nn.Module, mode: str, deviation: float) -> None:
    single = filled().float().train(mode == "train")
    double = filled().train(mode == "train")
    with torch.no_grad():
        assert (single(image().float()) - double(image())).abs().max() < deviation
