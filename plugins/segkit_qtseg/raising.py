"""The last two enlargements and the token product, position by position.

A transposed convolution whose kernel is its stride makes the four pixels under a position from that
position alone; LN2d, GELU and the product with a token are per pixel too. So everything from the
finest map to the logits is a small network on each position, and the embedding at half resolution
(64 channels, by far the largest map) need not be written: a piece of positions stays in the cache,
and training recomputes it on the way back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from segkit_qtseg.attention import tokens_of

PIECE = 512  # positions at a time: 16 pixels of 64 channels each, 2 MB in float32
PIECES = 16  # of an exported graph; sides are multiples of 4 at stride 8, so this divides N


def raised_logits(upscale: nn.Sequential, tokens: Tensor, features: Tensor) -> Tensor:
    """tokens (B,K,C), features (B,C,h,w) -> the logits (B,K,4h,4w)."""
    height, width = features.shape[-2:]
    positions = tokens_of(features)  # (B,N,C)
    pieces = [_piece(upscale, tokens, piece) for piece in _split(positions)]
    logits = torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]  # (B,N,16,K)
    logits = logits.unflatten(2, (2, 2, 2, 2)).unflatten(1, (height, width))
    logits = logits.permute(0, 7, 1, 3, 5, 2, 4, 6)  # (B,K, h,2,2, w,2,2)
    return logits.flatten(5, 7).flatten(2, 4)


def _split(positions: Tensor) -> tuple[Tensor, ...]:
    """Pieces for the cache of a CPU: of a fixed size, or a fixed number in an exported graph."""
    if torch.compiler.is_exporting():
        return positions.unflatten(1, (PIECES, -1)).unbind(1)
    if positions.device.type != "cpu" or torch.compiler.is_compiling():
        return (positions,)
    return positions.split(max(1, PIECE // positions.shape[0]), dim=1)


def _piece(upscale: nn.Sequential, tokens: Tensor, piece: Tensor) -> Tensor:
    recompute = torch.is_grad_enabled() and piece.device.type == "cpu"
    if not recompute or torch.compiler.is_compiling():
        return _logits(upscale, tokens, piece)
    logits: Tensor = checkpoint(
        _logits, upscale, tokens, piece, use_reentrant=False, preserve_rng_state=False
    )
    return logits


def _logits(upscale: nn.Sequential, tokens: Tensor, piece: Tensor) -> Tensor:
    """(B,n,C) -> (B,n,16,K): the logits of the 4x4 pixels under each position, in two 2x2 steps."""
    first, first_norm, _, second, second_norm, _ = upscale
    x = _enlarge(first, first_norm, piece)
    x = _enlarge(second, second_norm, x.flatten(1, 2)).unflatten(1, (-1, 4))  # (B,n,4,4,C)
    return (x.flatten(1, 3) @ tokens.transpose(1, 2)).unflatten(1, (-1, 16))


def _enlarge(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """GELU(LN2d(transposed convolution)) of positions (B,n,C): (B,n,4,C')."""
    assert isinstance(conv, nn.ConvTranspose2d)
    assert isinstance(norm, nn.LayerNorm)
    assert conv.bias is not None
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (4C',C)
    y = F.linear(x, weight, conv.bias.repeat(4)).unflatten(2, (4, -1))
    return F.gelu(F.layer_norm(y, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
