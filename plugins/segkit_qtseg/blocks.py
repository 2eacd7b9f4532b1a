"""The blocks of a decoder stage: dual-mix attention (DMA), and the ablation's two-way block."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from segkit.nn.formulas import as_written
from segkit_qtseg.attention import Attention, ChannelAttention, SpatialAttention, map_of, tokens_of
from segkit_qtseg.folded import mix_folded


class TokenMLP(nn.Module):
    """Two linear layers with a wide middle."""

    def __init__(self, dim: int, hidden: int, activation: nn.Module):
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(self.activation(self.lin1(x)))


class DMABlock(nn.Module):
    """Tokens read the map through channel and spatial attention; the map reads the tokens back."""

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        cab: Literal["faithful", "paper"] = "faithful",
        sam_kernel: int = 7,
    ):
        super().__init__()
        self.cab = ChannelAttention(cab)
        self.sam = SpatialAttention(sam_kernel)
        self.channel_attention = Attention(dim, heads)
        self.spatial_attention = Attention(dim, heads)
        self.norm_mix = nn.LayerNorm(dim)
        self.mlp = TokenMLP(dim, hidden, nn.GELU())
        self.norm_mlp = nn.LayerNorm(dim)
        self.feature_attention = Attention(dim, heads)

    def forward(self, tokens: Tensor, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B,K,C), features (B,C,H,W), position (N,C) -> new tokens and features."""
        folds = tokens.shape[1] * self.spatial_attention.heads <= tokens.shape[2]
        mix = self.mix if as_written() or not folds else self.mix_folded
        mixed, features = mix(tokens, features, position)
        return tokens + self.norm_mlp(self.mlp(mixed)), features

    def mix(self, tokens: Tensor, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """The dual mix as the paper writes it."""
        z = features + map_of(position[None], features)
        spatial, channel = tokens_of(self.sam(z)), tokens_of(self.cab(z))  # (B,N,C)
        read = self.spatial_attention(tokens, spatial, spatial)
        read = read + self.channel_attention(tokens, channel, channel)
        mixed = self.norm_mix(read + tokens)
        back = self.feature_attention(spatial + channel + position, mixed, mixed)
        return mixed, features + map_of(back, features)

    mix_folded = mix_folded


class TwoWayBlock(nn.Module):
    """The block that DMA is compared with: self-attention, then attention both ways."""

    def __init__(self, dim: int, heads: int, hidden: int, first: bool):
        super().__init__()
        self.first = first
        self.self_attention = Attention(dim, heads, ratio=1)
        self.norm1 = nn.LayerNorm(dim)
        self.token_attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = TokenMLP(dim, hidden, nn.ReLU())
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.feature_attention = Attention(dim, heads)

    def forward(self, tokens: Tensor, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B,K,C), features (B,C,H,W), position (N,C) -> new tokens and features."""
        own = self.self_attention(tokens, tokens, tokens)
        tokens = self.norm1(own if self.first else tokens + own)
        flat = tokens_of(features)
        read = self.token_attention(tokens, flat + position, flat)
        tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        back = self.feature_attention(flat + position, tokens, tokens)
        return tokens, map_of(self.norm4(flat + back), features)
