"""The dual mix with its matrices multiplied in a cheaper order: one function, fewer operations.

A handful of class tokens attends to N positions. Projecting all N keys and values costs N·C·C/2
each; but q·(W x) = (Wᵀq)·x, so the few queries are taken to the width of the map instead, and the
values are projected after they are averaged. The channel block is linear in a position, Ch = M z
with M = I + γW, and the spatial block scales it, S = (1+g) z, so neither map is ever made: M and g
move to the small side too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from segkit_qtseg.attention import Attention, map_of, tokens_of

if TYPE_CHECKING:
    from segkit_qtseg.blocks import DMABlock


def mix_folded(
    block: DMABlock, tokens: Tensor, features: Tensor, position: Tensor
) -> tuple[Tensor, Tensor]:
    """Equal to `DMABlock.mix`."""
    flat = tokens_of(features)
    z = flat + position  # (B,N,C)
    gate = 1 + block.sam.gate_of_tokens(z, (features.shape[-2], features.shape[-1]))  # (B,1,N)
    matrix = block.cab.matrix(z).to(z.dtype)  # (B,C,C)
    read = _read_both(block, tokens, z, gate, matrix)
    mixed = block.norm_mix(read + tokens)
    back = _write(block.feature_attention, mixed, z, position, gate, matrix)
    return mixed, map_of(flat + back, features)


def _read_both(block: DMABlock, tokens: Tensor, z: Tensor, gate: Tensor, matrix: Tensor) -> Tensor:
    """Att_s(T, S, S) + Att_c(T, Ch, Ch)."""
    spatial, channel = block.spatial_attention, block.channel_attention
    spatial_query, spatial_bias = _folded_query(spatial, tokens)  # (B,hK,C), (B,hK,1)
    channel_query, channel_bias = _folded_query(channel, tokens)
    queries = torch.cat([spatial_query, channel_query @ matrix], dim=1)
    on_spatial, on_channel = (queries @ z.transpose(1, 2)).chunk(2, dim=1)  # (B,hK,N)
    on_spatial = torch.addcmul(spatial_bias, on_spatial, gate).softmax(dim=-1) * gate
    on_channel = (on_channel + channel_bias).softmax(dim=-1)
    pooled_spatial, pooled_channel = (torch.cat([on_spatial, on_channel], 1) @ z).chunk(2, dim=1)
    pooled_channel = pooled_channel @ matrix.transpose(1, 2)
    return _values(spatial, pooled_spatial) + _values(channel, pooled_channel)


def read_folded(attention: Attention, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`attention(tokens, keys, values)` of few tokens to many positions."""
    query, bias = _folded_query(attention, tokens)
    weights = (query @ keys.transpose(1, 2) + bias).softmax(dim=-1)
    return _values(attention, weights @ values)


def _folded_query(attention: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Queries at the width of the map (B,hK,C), and what the key's bias adds to their scores."""
    query = attention.split(attention.q(tokens))  # (B,h,K,e)
    query = query / math.sqrt(query.shape[-1])
    weight = attention.k.weight.unflatten(0, (attention.heads, -1))  # (h,e,C)
    bias = attention.k.bias.unflatten(0, (attention.heads, -1, 1))  # (h,e,1)
    return (query @ weight).flatten(1, 2), (query @ bias).flatten(1, 2)


def _values(attention: Attention, pooled: Tensor) -> Tensor:
    """Averages of positions (B,hK,C) through the value and the output projection: (B,K,C)."""
    pooled = pooled.unflatten(1, (attention.heads, -1))
    weight = attention.v.weight.unflatten(0, (attention.heads, -1)).transpose(1, 2)  # (h,C,e)
    bias = attention.v.bias.unflatten(0, (attention.heads, 1, -1))
    values = pooled @ weight + bias  # (B,h,K,e); the weights of a query sum to 1
    return attention.out(values.transpose(1, 2).flatten(2))


def _write(
    attention: Attention, tokens: Tensor, z: Tensor, position: Tensor, gate: Tensor, matrix: Tensor
) -> Tensor:
    """Att_f(S + Ch + p, A, A): every position reads the few tokens (B,N,C)."""
    heads = attention.heads
    key = attention.split(attention.k(tokens))  # (B,h,K,e)
    key = key / math.sqrt(key.shape[-1])
    weight = attention.q.weight.unflatten(0, (heads, -1))  # (h,e,C)
    bias = attention.q.bias.unflatten(0, (heads, -1, 1))
    keys, key_bias = (key @ weight).flatten(1, 2), (key @ bias).flatten(1, 2)  # (B,hK,C), (B,hK,1)
    on_spatial, on_channel = (torch.cat([keys, keys @ matrix], 1) @ z.transpose(1, 2)).chunk(2, 1)
    scores = torch.addcmul(on_channel, on_spatial, gate) + keys @ position.t() + key_bias
    weights = scores.unflatten(1, (heads, -1)).softmax(dim=2).flatten(1, 2)  # (B,hK,N)
    out = attention.out.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)  # (h,e,C)
    values = (attention.split(attention.v(tokens)) @ out).flatten(1, 2)  # (B,hK,C)
    return weights.transpose(1, 2) @ values + attention.out.bias
