"""EAM-Net (arXiv 2512.07275): a reconstruction from the published description and cost.

The behaviour of the modules is published, their layout is not; docs/papers/eamnet.md lists what was
inferred. No official code was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.padding import run_padded
from segkit_eamnet.attention import CMAM, EAB
from segkit_eamnet.blocks import MRCF, ConvBn, Residual
from segkit_eamnet.fusion import MSDF, MSEF

if TYPE_CHECKING:
    from segkit_eamnet import EAMNetConfig

AUX_WEIGHTS = (1.0, 0.4, 0.3, 0.2, 0.1, 0.2)  # of y, m1, m2, m3, m4, me in the loss


class DecoderLevel(nn.Module):
    """Raise, join with the re-read skip, mix, refine."""

    def __init__(self, config: EAMNetConfig, inputs: int, width: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, width, 2, stride=2)
        memory = (config.mem_slots, config.keep_ratio, config.select)
        self.eab = EAB(width, *memory) if config.eab else nn.Identity()
        self.join = ConvBn(2 * width, width, 1)
        mixed = config.cmam != "none"
        self.cmam = CMAM(width, config.cmam, config.key_grid) if mixed else nn.Identity()  # type: ignore[arg-type]
        self.refine = nn.Sequential(Residual(width, width), _mrcf(config, width))

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        joined = self.join(torch.cat([self.eab(skip), self.up(below)], dim=1))
        return self.refine(self.cmam(joined))


class EAMNet(nn.Module):
    """Four encoder levels, their fusion, a bottleneck, four decoder levels, their fusion."""

    multiple = 16

    def __init__(self, config: EAMNetConfig):
        super().__init__()
        self.config = config
        self.aux_weights = AUX_WEIGHTS if config.deep_supervision else ()
        widths, deepest = config.widths, config.bottleneck or config.widths[-1]
        inputs = (config.in_channels, *widths[:-1])
        self.encoder = nn.ModuleList(
            nn.Sequential(Residual(i, o), _mrcf(config, o))
            for i, o in zip(inputs, widths, strict=True)
        )
        self.msef = MSEF(widths, config.num_classes)
        self.bottleneck = _bottleneck(config, widths[-1], deepest)
        self.decoder = nn.ModuleList(
            DecoderLevel(config, i, o) for i, o in zip((*widths[1:], deepest), widths, strict=True)
        )
        self.msdf = MSDF(widths, config.num_classes)
        self.apply(initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Image (B,3,H,W) -> logits (B,K,H,W); the auxiliary heads are not computed."""
        return run_padded(self._main, image, self.multiple)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """(y, m1, m2, m3, m4, me): the main logits and five maps at their own sizes."""
        if not self.config.deep_supervision:
            return (self.forward(image),)
        return run_padded(self._all, image, self.multiple)

    def attention(self, image: Tensor) -> dict[str, Tensor]:
        """What each CMAM's spatial stream lets through, {"CMAM 1": (B,1,h,w), …}, for plots."""
        levels = enumerate((level.cmam for level in self.decoder), 1)  # finest first
        mixers = {f"CMAM {n}": mixer for n, mixer in levels if isinstance(mixer, CMAM)}
        if not mixers:
            return {}

        def gates_of(padded: Tensor) -> tuple[Tensor, ...]:
            found: dict[str, Tensor] = {}
            with ExitStack() as hooks:
                for name, mixer in mixers.items():
                    hook = partial(_keep_gate, found, name)
                    hooks.callback(mixer.register_forward_pre_hook(hook).remove)
                self.features(padded)
            return tuple(found[name] for name in mixers)

        return dict(zip(mixers, run_padded(gates_of, image, self.multiple), strict=True))

    def _main(self, image: Tensor) -> Tensor:
        _, maps = self.features(image)
        return self.msdf(self.msdf.narrowed(maps))

    def _all(self, image: Tensor) -> tuple[Tensor, ...]:
        fused, maps = self.features(image)
        narrowed = self.msdf.narrowed(maps)
        main, sides = self.msdf(narrowed), self.msdf.side_logits(narrowed)
        return (main, *sides, self.msef.head(fused))

    def features(self, image: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The fused encoder map F and the decoder maps D1..D4 of a padded image."""
        x = image.contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level in self.encoder:
            x = level(F.max_pool2d(skips[-1], 2) if skips else x)
            skips.append(x)
        fused = self.msef(skips)
        x, maps = self.bottleneck(F.max_pool2d(fused, 2)), []
        for level, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            x = level(skip, x)
            maps.append(x)
        return fused, maps[::-1]


def _keep_gate(found: dict[str, Tensor], name: str, mixer: CMAM, inputs: tuple[Tensor]) -> None:
    found[name] = mixer.gates.position_gate(inputs[0])


def _mrcf(config: EAMNetConfig, width: int) -> nn.Module:
    return MRCF(width, config.rates) if config.mrcf else nn.Identity()


def _bottleneck(config: EAMNetConfig, inputs: int, width: int) -> nn.Module:
    mrcf = _mrcf(config, width)
    return mrcf if inputs == width else nn.Sequential(ConvBn(inputs, width, 1), mrcf)


def initialise(module: nn.Module) -> None:
    """Kaiming normal (fan out) for convolutions, zero biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(config: EAMNetConfig) -> EAMNet:
    """The network of a config."""
    return EAMNet(config)
