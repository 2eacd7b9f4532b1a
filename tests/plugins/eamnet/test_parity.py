"""EAM-Net's function under two deterministic fills, block by block and whole."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import segkit
from segkit.nn.formulas import force
from segkit_eamnet.attention import CMAM, EAB
from segkit_eamnet.blocks import MRCF, Residual
from segkit_eamnet.fusion import MSDF, MSEF

WIDTHS = (8, 16, 32, 64)


def constant(weight: Tensor, transposed: bool) -> Tensor:
    fan = weight.shape[0] if transposed else math.prod(weight.shape[1:])
    return torch.full_like(weight, 1 / fan)


def waves(weight: Tensor, transposed: bool) -> Tensor:
    i = torch.arange(weight.numel(), dtype=torch.float64)
    flat = torch.sin(0.7 * (i + 1) ** 1.5) / math.sqrt(math.prod(weight.shape[1:]))
    return flat.reshape(weight.shape)


FILLS: dict[str, Callable[[Tensor, bool], Tensor]] = {"constant": constant, "waves": waves}


def filled(module: nn.Module, fill: str) -> nn.Module:
    module = module.double().eval()
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            transposed = isinstance(part, nn.ConvTranspose2d)
            part.weight.data = FILLS[fill](part.weight.data, transposed)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


def ramp(channels: int, height: int, width: int) -> Tensor:
    sides = (channels, height, width)
    c, i, j = (torch.arange(side, dtype=torch.float64) for side in sides)
    c, i = c[:, None, None], i[:, None]
    return torch.sin(0.3 * i + 0.2 * j + 0.5 * c)[None]


def pyramid() -> list[Tensor]:
    return [ramp(w, 64 // 2**i, 32 // 2**i) for i, w in enumerate(WIDTHS)]


def fingerprint(x: Tensor) -> list[float]:
    x = x.detach()
    values = (x.mean(), x.std(correction=0), x[0, 0, 1, 2], x[0, -1, -1, -1])
    return [float(value) for value in values]


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "Res": lambda: Residual(8, 16),
    "MRCF": lambda: MRCF(8),
    "CMAM cross": lambda: CMAM(8, "cross"),
    "CMAM parallel": lambda: CMAM(8, "parallel"),
    "CMAM serial": lambda: CMAM(8, "serial"),
    "EAB": lambda: EAB(8, slots=4),
}
GOLDEN = {
    ("Res", "constant"): (0.2606697, 0.3167376, 0.5137543, 0),
    ("MRCF", "constant"): (0.1189630, 0.7498990, 0.8808279, 0.0722394),
    ("CMAM cross", "constant"): (0.3760683, 0.4555996, 0.8328628, 0),
    ("CMAM parallel", "constant"): (0.3867484, 0.4695334, 0.8815683, 0),
    ("CMAM serial", "constant"): (0.4195733, 0.5037489, 0.9582481, 0),
    ("EAB", "constant"): (0.3855676, 0.4380749, 0.7692171, 0.1586224),
    ("Res", "waves"): (0.1954896, 0.3256408, 0.3460441, 0.7003691),
    ("MRCF", "waves"): (0.1668315, 0.8244598, 1.158125, 0.03362305),
    ("CMAM cross", "waves"): (0.3209082, 0.3882931, 0.6795402, 0.04266785),
    ("CMAM parallel", "waves"): (0.3238355, 0.3916942, 0.6841666, 0.05241066),
    ("CMAM serial", "waves"): (0.3236558, 0.3914677, 0.6851289, 0.05620109),
    ("EAB", "waves"): (0.3257520, 0.3951550, 0.5406337, 0.1432991),
}
FUSIONS = {
    ("MSEF F", "constant"): (0.3643087, 0.1804209, 0.4982792, 0.4634084),
    ("MSEF head", "constant"): (0.3643087, 0.0343341, 0.3402967, 0.3776889),
    ("MSDF y", "constant"): (0.0865974, 0.0599529, 0.2073880, 0.1043529),
    ("MSEF F", "waves"): (0.1266236, 0.2056676, 0.2231250, 0.08531605),
    ("MSEF head", "waves"): (0.2868860, 0.05176819, 0.2512220, 0.1432033),
    ("MSDF y", "waves"): (-0.01650627, 0.1146261, 0.2268030, 0.1694512),
}
NETWORK = {
    ("y", 64, 64, "constant"): (47013.63, 10713.39, 24736.69, 8698.379),
    ("me", 64, 64, "constant"): (21.38731, 4.497558, 24.45004, 10.33259),
    ("y", 48, 80, "constant"): (41743.48, 9595.305, 22169.65, 7818.450),
    ("y", 64, 64, "waves"): (-0.004477788, 0.01101422, -0.001384138, 0.01737932),
    ("me", 64, 64, "waves"): (-0.09777661, 0.01326939, -0.09639228, -0.1008626),
    ("y", 48, 80, "waves"): (-0.004778853, 0.01085710, -0.001701092, 0.01701245),
}


def approximately(expected: tuple[float, ...], fill: str) -> object:
    # the tables carry seven digits; the constant fill is compared as its table asks
    rel, abs_ = (1e-5, 1e-6) if fill == "constant" else (1e-6, 1e-8)
    return pytest.approx(expected, rel=rel, abs=abs_)


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize(("name", "fill"), GOLDEN)
def test_blocks(name: str, fill: str, form: str) -> None:
    block = filled(BLOCKS[name](), fill)
    with force(form), torch.no_grad():  # type: ignore[arg-type]
        found = fingerprint(block(ramp(8, 16, 24)))
    assert found == approximately(GOLDEN[name, fill], fill)


@pytest.mark.parametrize(("name", "fill"), FUSIONS)
def test_fusions(name: str, fill: str) -> None:
    with torch.no_grad():
        if name == "MSDF y":
            fusion = filled(MSDF(WIDTHS, 1), fill)
            found = fusion(fusion.narrowed(pyramid()))  # type: ignore[operator]
        else:
            fusion = filled(MSEF(WIDTHS, 1), fill)
            found = fusion(pyramid())
            found = fusion.head(found) if name == "MSEF head" else found  # type: ignore[operator]
    assert fingerprint(found) == approximately(FUSIONS[name, fill], fill)


@pytest.mark.parametrize("form", ["written", "fast"])
@pytest.mark.parametrize(("output", "height", "width", "fill"), NETWORK)
def test_whole_network(output: str, height: int, width: int, fill: str, form: str) -> None:
    network, image = filled(segkit.create("eamnet"), fill), ramp(3, height, width)
    with force(form), torch.no_grad():  # type: ignore[arg-type]
        found = network(image) if output == "y" else network.forward_aux(image)[-1]  # type: ignore[operator]
    expected = NETWORK[output, height, width, fill]
    assert fingerprint(found) == approximately(expected, fill)
