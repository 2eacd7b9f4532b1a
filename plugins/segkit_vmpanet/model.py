"""VMPANet: Vision Mamba skin lesion segmentation by prompt and attention mechanism fusion.

Journal of Imaging 2025, 11(12), 443. No code is published: this is a reconstruction whose parameter
and operation totals are those of the paper.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.padding import run_padded
from segkit_vmpanet import VMPANetConfig
from segkit_vmpanet.blocks import (
    ChannelAttention,
    CrossAttentionFusion,
    EdgeEnhancement,
    Embedding,
    GlobalBranch,
    GlobalPrompt,
    LocalPrompt,
    MultiScaleConv,
    SpatialAttention,
    SumFusion,
    conv,
    conv_norm_relu,
    upsample,
)

DS_WEIGHTS: dict[str, tuple[float, ...]] = {
    "none": (),
    "equal": (1.0, 1.0, 1.0, 1.0, 1.0),
    "shallow": (1.0, 0.8, 0.6, 0.4, 0.2),
    "deep": (0.2, 0.4, 0.6, 0.8, 1.0),
}


class PromptEncoder(nn.Module):
    """PCM (equations 1 to 4): local pyramid, global branch, and two maps that prompt the next."""

    def __init__(self, inputs: int, channels: int, config: VMPANetConfig):
        super().__init__()
        self.config = config
        self.local = (
            _pyramid(inputs, channels) if config.pcm_conv else conv_norm_relu(1, inputs, channels)
        )
        mamba = config.pcm_mamba
        self.glob = GlobalBranch(channels, config.d_state, config.expand) if mamba else None
        self.mix = conv_norm_relu(1, channels, channels)
        self.prompt1 = LocalPrompt(channels) if config.pcm_prompt else None
        self.prompt2 = GlobalPrompt(channels) if config.pcm_prompt and mamba else None

    def forward(self, x: Tensor) -> Tensor:
        return self.with_prompts(x)[0]

    def with_prompts(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Fpcm, and the normalised prompts that are part of it."""
        config, prompts = self.config, {}
        local = glob = mixed = self.local(x)
        if self.glob is not None:
            glob = self.glob(local)
            mixed = config.lam1 * glob + config.lam2 * local
        out = self.mix(mixed)
        if self.prompt1 is not None:
            prompts["p1"] = self.prompt1(local)
            out = out + config.mu1 * prompts["p1"]
        if self.prompt2 is not None:
            prompts["p2"] = self.prompt2(glob)
            out = out + config.mu2 * prompts["p2"]
        return out, prompts


def _pyramid(inputs: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(7, inputs, channels),
        conv_norm_relu(3, channels, channels),
        conv_norm_relu(1, channels, channels),
    )


class PlainEncoder(nn.Module):
    """In place of PCM: one 3x3 convolution, no prompts."""

    def __init__(self, inputs: int, channels: int):
        super().__init__()
        self.conv = conv_norm_relu(3, inputs, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def with_prompts(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.conv(x), {}


class ContextDecoder(nn.Module):
    """MCA (equations 5 to 15): long range, four scales, edge, spatial and channel attention."""

    def __init__(self, channels: int, config: VMPANetConfig):
        super().__init__()
        steps: dict[str, nn.Module] = {}
        if config.mca_ss2d:
            steps["ss2d"] = GlobalBranch(channels, config.d_state, config.expand)
        if config.mca_dw:
            steps["scales"] = MultiScaleConv(channels, config.dw_kernels)
        if config.easc:
            steps["embed"] = Embedding(channels)
            if config.ee:
                steps["edge"] = EdgeEnhancement(channels, config.ee_pointwise)
            if config.sa:
                steps["spatial"] = SpatialAttention(channels)
            if config.ca:
                steps["channel"] = ChannelAttention(channels)
        self.steps = nn.Sequential()
        for name, step in steps.items():
            self.steps.add_module(name, step)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.steps(x)


class Head(nn.Module):
    """Logits at input size: upsample, then 1x1; `fast` swaps the two, which is equal."""

    def __init__(self, channels: int, num_classes: int, factor: int, fast: bool = False):
        super().__init__()
        self.up = upsample(factor)
        self.conv = conv(1, channels, num_classes)
        self.fast = fast

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.conv(x)) if self.fast else self.conv(self.up(x))


class VMPANet(nn.Module):
    """image (B,3,H,W) -> logits (B,num_classes,H,W); five of them from `forward_aux`."""

    def __init__(self, config: VMPANetConfig | None = None):
        super().__init__()
        self.config = config = config or VMPANetConfig()
        widths = config.channels
        pairs = list(zip((config.in_channels, *widths), widths, strict=False))
        self.encoders = nn.ModuleList(_encoder(a, b, config) for a, b in pairs)
        self.fusions = nn.ModuleList(_fusion(b, a, config) for a, b in pairs[1:])
        self.decoders = nn.ModuleList(
            ContextDecoder(width, config) if config.mca else nn.Identity() for width in widths
        )
        self.heads = nn.ModuleList(
            Head(width, config.num_classes, 2**level, config.fast_heads)
            for level, width in enumerate(widths)
        )

    @property
    def aux_weights(self) -> tuple[float, ...]:
        """What each output of `forward_aux` weighs in a loss whose recipe names no weights."""
        return DS_WEIGHTS[self.config.ds_weights]

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(lambda padded: self.heads[0](self._decode(padded)[0]), image, 32)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of all five decoder levels at input size, the finest first."""
        return run_padded(self._segment_all, image, 32)

    def prompts(self, image: Tensor) -> dict[str, Tensor]:
        """The prompt maps {"p1 level 1": (B,1,h,w), …}, for plots."""
        names: list[str] = []

        def maps_of(padded: Tensor) -> tuple[Tensor, ...]:
            maps: dict[str, Tensor] = {}
            x = padded
            for level, encoder in enumerate(self.encoders, 1):
                assert isinstance(encoder, PromptEncoder | PlainEncoder)
                x, prompts = encoder.with_prompts(x if level == 1 else F.max_pool2d(x, 2))
                maps.update({f"{name} level {level}": value for name, value in prompts.items()})
            names.extend(maps)
            return tuple(maps.values())

        return dict(zip(names, run_padded(maps_of, image, 32), strict=True))

    def _segment_all(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self._decode(image)
        return tuple(head(x) for head, x in zip(self.heads, features, strict=True))

    def _decode(self, image: Tensor) -> list[Tensor]:
        """Fmca of the five levels, the finest first."""
        skips = self._encode(image)
        features = [self.decoders[-1](skips[-1])]
        for level in reversed(range(len(skips) - 1)):
            fused = self.fusions[level](features[0], skips[level])
            features.insert(0, self.decoders[level](fused))
        return features

    def _encode(self, image: Tensor) -> list[Tensor]:
        """Fpcm of the five levels; each enters the next at half size."""
        features = [self.encoders[0](image)]
        for encoder in list(self.encoders)[1:]:
            features.append(encoder(F.max_pool2d(features[-1], 2)))
        return features


def _encoder(inputs: int, channels: int, config: VMPANetConfig) -> nn.Module:
    return PromptEncoder(inputs, channels, config) if config.pcm else PlainEncoder(inputs, channels)


def _fusion(deep: int, channels: int, config: VMPANetConfig) -> nn.Module:
    if config.caf:
        return CrossAttentionFusion(deep, channels, config.caf_softmax)
    return SumFusion(deep, channels)
