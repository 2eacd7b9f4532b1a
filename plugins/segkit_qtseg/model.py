"""QTSeg: a query-token dual-mix attention network with multi-level feature distribution.

"QTSeg: A Query Token-Based Dual-Mix Attention Framework with Multi-Level Feature Distribution for
Medical Image Segmentation", arXiv 2412.17241. Written from the published description.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.padding import run_padded
from segkit_qtseg.blocks import DMABlock, TwoWayBlock
from segkit_qtseg.bridge import MLFD
from segkit_qtseg.decoder import Decoder, Stage
from segkit_qtseg.encoder import Encoder

if TYPE_CHECKING:
    from segkit_qtseg import QTSegConfig


class QTSeg(nn.Module):
    """Encoder, feature distribution, decoder; a class's logits: its token times the embedding."""

    multiple = 32

    def __init__(self, config: QTSegConfig):
        super().__init__()
        widths = [4 * config.width, 8 * config.width, 16 * config.width]
        self.encoder = Encoder(config.in_channels, config.width, config.encoder_bn_eps)
        self.bridge = MLFD(widths) if config.mlfd else nn.Identity()
        stages = [_stage(config, dim, n) for dim, n in zip(widths, config.blocks, strict=True)]
        self.decoder = Decoder(widths, config.num_classes, stages)

    def forward(self, image: Tensor) -> Tensor:
        """Image (B,3,H,W) -> logits (B,K,H,W)."""
        return run_padded(self._segment, image, self.multiple)

    def attention(self, image: Tensor) -> dict[str, Tensor]:
        """The spatial gate of each level's last block, {"SAM /8": (B,1,h,w), …}, for plots."""
        stages = enumerate(self.decoder.stages)
        gated = {f"SAM /{8 * 2**level}": _last_gate(stage) for level, stage in stages}
        convs = {name: conv for name, conv in gated.items() if conv is not None}

        def gates_of(padded: Tensor) -> tuple[Tensor, ...]:
            seen: dict[nn.Module, Tensor] = {}
            with ExitStack() as hooks:
                for conv in convs.values():
                    keep = partial(_keep_output, seen)
                    hooks.callback(conv.register_forward_hook(keep).remove)
                self.decoder.refine(self._features(padded))
            return tuple(torch.sigmoid(seen[conv]) for conv in convs.values())

        return dict(zip(convs, run_padded(gates_of, image, self.multiple), strict=True))

    def embed(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Class tokens (B,K,C0) and mask embedding (B,C0,H/2,W/2); sides are multiples of 32."""
        return self.decoder(self._features(image))

    def _features(self, image: Tensor) -> tuple[Tensor, ...]:
        """(F0, F1, F2) at strides 8, 16 and 32."""
        image = image.contiguous(memory_format=torch.channels_last)
        return self.bridge(self.encoder(image))

    def _segment(self, image: Tensor) -> Tensor:
        low = self.decoder.logits(self._features(image))
        return F.interpolate(low, size=image.shape[-2:], mode="bilinear", align_corners=False)


def _last_gate(stage: nn.Module) -> nn.Module | None:
    """The convolution that makes the last block's spatial gate; two-way blocks have none."""
    assert isinstance(stage, Stage)
    block = stage.blocks[-1]
    return block.sam.conv if isinstance(block, DMABlock) else None


def _keep_output(
    seen: dict[nn.Module, Tensor], module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
) -> None:
    seen[module] = output


def build(config: QTSegConfig) -> QTSeg:
    """The network of a config."""
    return QTSeg(config)


def _stage(config: QTSegConfig, dim: int, count: int) -> Stage:
    heads, hidden = config.heads, config.token_mlp_dim
    if config.decoder == "twoway":
        blocks: list[nn.Module] = [TwoWayBlock(dim, heads, hidden, i == 0) for i in range(count)]
    else:
        blocks = [DMABlock(dim, heads, hidden, config.cab, config.sam_kernel) for _ in range(count)]
    return Stage(dim, heads, blocks)
