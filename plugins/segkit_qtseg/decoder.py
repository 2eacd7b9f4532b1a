"""The mask decoder: class tokens and maps refine each other from stride 32 to stride 8."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.formulas import as_written
from segkit_qtseg.attention import Attention, LayerNorm2d, Position, tokens_of
from segkit_qtseg.folded import read_folded
from segkit_qtseg.raising import raised_logits


class Stage(nn.Module):
    """DMAD: the blocks of one level, then the tokens read the map once more."""

    def __init__(self, dim: int, heads: int, blocks: Sequence[nn.Module]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.final_attention = Attention(dim, heads)
        self.final_norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        query = tokens
        for block in self.blocks:
            query, features = block(query, features, position)
        flat = tokens_of(features)
        folds = tokens.shape[1] * self.final_attention.heads <= tokens.shape[2]
        if as_written() or not folds:
            read = self.final_attention(query + tokens, flat + position, flat)
        else:
            read = read_folded(self.final_attention, query + tokens, flat + position, flat)
        return self.final_norm(query + read), features


class ClassMLPs(nn.ModuleList):
    """One three-layer MLP per class token; all classes at once as a batched product."""

    def __init__(self, classes: int, dim: int, outputs: int):
        widths = [(dim, dim), (dim, dim), (dim, outputs)]
        super().__init__(nn.ModuleList(nn.Linear(*pair) for pair in widths) for _ in range(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B,K,C) -> (B,K,C')."""
        x = tokens.transpose(0, 1)  # (K,B,C)
        for depth in range(3):
            layers = [mlp[depth] for mlp in self]  # type: ignore[index]
            weight = torch.stack([layer.weight for layer in layers])
            bias = torch.stack([layer.bias for layer in layers])
            x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
            x = F.relu(x) if depth < 2 else x
        return x.transpose(0, 1)


def upscale(*widths: int) -> nn.Sequential:
    """Twice the size per step: transposed convolution, LN2d, GELU."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers.append(nn.ConvTranspose2d(inputs, outputs, 2, stride=2))
        layers += [LayerNorm2d(outputs), nn.GELU()]
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    """(F0, F1, F2) -> class tokens (B,K,C0) and the mask embedding (B,C0,H/2,W/2)."""

    def __init__(self, widths: Sequence[int], classes: int, stages: Sequence[nn.Module]):
        super().__init__()
        fine, middle, coarse = widths
        self.tokens = nn.Embedding(classes, coarse)
        self.stages = nn.ModuleList(stages)  # indexed by level, stride 8 first
        self.positions = nn.ModuleList(Position(width) for width in widths)
        narrower = (fine, fine, middle)
        pairs = zip(widths, narrower, strict=True)
        self.class_mlps = nn.ModuleList(ClassMLPs(classes, *pair) for pair in pairs)
        self.upscales = nn.ModuleList(
            [upscale(fine, fine // 2, fine), upscale(middle, fine), upscale(coarse, middle)]
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        tokens, features = self.refine(maps)
        return tokens, self.upscales[0](features)

    def refine(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Class tokens (B,K,C0) and the finest map (B,C0,H/8,W/8), before its two enlargements."""
        tokens, features = self.tokens.weight.repeat(maps[0].shape[0], 1, 1), maps[-1]
        for level in reversed(range(len(maps))):
            position = self.positions[level]((features.shape[-2], features.shape[-1]))
            query, features = self.stages[level](tokens, features, position)
            tokens = self.class_mlps[level](query)
            if level:
                features = maps[level - 1] + self.upscales[level](features)
        return tokens, features

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """Token times embedding: (B,K,H/2,W/2)."""
        if as_written():
            tokens, embedding = self(maps)
            return torch.einsum("bkc,bchw->bkhw", tokens, embedding)
        tokens, features = self.refine(maps)
        return raised_logits(self.upscales[0], tokens, features)  # type: ignore[arg-type]
