"""What an operator costs: multiply-adds by shape, state updates of a scan, what is listed apart.

One multiply-add (MAC) is one multiplication with its addition. A scan counts its state updates:
batch × directions × channels × steps × states. Operators that only move data are free; norms,
activations, pooling, resizing and reductions are listed by the elements they write; the rest is
"uncounted".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segkit.ops import flops


@dataclass(frozen=True)
class Cost:
    """The cost of one call of an operator."""

    kind: str
    macs: int = 0
    scan_ops: int = 0
    scan_flops: int = 0


Rule = Callable[[tuple[Any, ...], dict[str, Any], Any], Cost]


def _product(shape: Sequence[int]) -> int:
    return math.prod(int(size) for size in shape)


def _convolution(args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Cost:
    """Each output element meets every weight of its slice (out, in/groups, k…) once.

    Transposed, each input element does (in, out/groups, k…). Padding counts as if it were data.
    """
    image, weight = args[0], args[1]
    transposed = bool(args[6])
    elements = image if transposed else out
    kind = "conv_transposed" if transposed else "conv"
    return Cost(kind, elements.numel() * _product(weight.shape[1:]))


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Cost:
    return Cost("linear", out.numel() * int(args[0].shape[-1]))


def _matmul(first: int) -> Rule:
    """`first` is the position of the left factor: 1 where a term is added to the product."""

    def rule(args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Cost:
        left, right = args[first], args[first + 1]
        rows = _product(left.shape)
        columns = int(right.shape[-1]) if right.dim() > 1 else 1
        return Cost("matmul", rows * columns)

    return rule


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Cost:
    query, key, value = args[0], args[1], args[2]
    scores = _product(query.shape[:-1]) * int(key.shape[-2])
    return Cost("attention", scores * (int(query.shape[-1]) + int(value.shape[-1])))


MAC_RULES: dict[str, Rule] = {
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    "aten::linear": _linear,
    "aten::mm": _matmul(0),
    "aten::bmm": _matmul(0),
    "aten::mv": _matmul(0),
    "aten::dot": _matmul(0),
    "aten::addmm": _matmul(1),
    "aten::addmv": _matmul(1),
    "aten::baddbmm": _matmul(1),
    "aten::addbmm": _matmul(1),
}

ATTENTION_PREFIX = "aten::_scaled_dot_product_"

_APART = {
    "norm": """
        native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training batch_norm
        cudnn_batch_norm _batch_norm_no_update batch_norm_with_update native_layer_norm
        native_group_norm linalg_vector_norm norm renorm _weight_norm_interface _fused_rms_norm""",
    "softmax": "_softmax _log_softmax _safe_softmax logsumexp",
    "pool": """
        avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices
        _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d mkldnn_max_pool2d""",
    "resize": """
        upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d upsample_bilinear2d
        upsample_linear1d upsample_bicubic2d _upsample_bilinear2d_aa grid_sampler_2d""",
    "reduce": """
        sum mean amax amin max min prod any all argmax argmin var std var_mean std_mean cumsum
        cumprod cummax cummin topk sort kthvalue median aminmax""",
}
APART = {f"aten::{name}": kind for kind, names in _APART.items() for name in names.split()}

_FREE = """
    clone copy_ copy _to_copy cat stack constant_pad_nd replication_pad1d replication_pad2d
    reflection_pad1d reflection_pad2d index index_put index_put_ _index_put_impl_ gather scatter
    scatter_ index_select take flip roll repeat repeat_interleave im2col col2im pixel_shuffle
    pixel_unshuffle channel_shuffle native_channel_shuffle _unsafe_view _reshape_copy
    _unsafe_index slice_scatter select_scatter as_strided_scatter empty empty_like empty_strided
    new_empty new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones full full_like
    new_full arange linspace eye tril triu scalar_tensor lift_fresh lift_fresh_copy masked_fill
    masked_fill_ where embedding tril_indices triu_indices unbind split split_with_sizes chunk
    detach alias resize_ set_ _local_scalar_dense nonzero masked_select one_hot bernoulli bernoulli_
    rand rand_like randn randperm fill_ zero_ sym_size _assert_async item contiguous
    split_with_sizes_copy unsafe_split unsafe_chunk native_dropout dropout expand_copy permute_copy
    squeeze_copy unsqueeze_copy view_copy resolve_conj resolve_neg
"""
FREE = frozenset(f"aten::{name}" for name in _FREE.split())


def is_known(func: Any) -> bool:
    """The operator is counted as it stands; any other that can be taken apart is."""
    name = base_name(func)
    known = name in MAC_RULES or name in SCAN_RULES or name in APART or name in FREE
    return known or name.startswith(ATTENTION_PREFIX)


def base_name(func: Any) -> str:
    """ "aten::sum" of the overload "aten::sum.dim_IntList"."""
    return func.name().partition(".")[0]


def cost_of(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Cost | None:
    """The cost of one call; None if nobody knows."""
    name = base_name(func)
    rule = MAC_RULES.get(name) or SCAN_RULES.get(name)
    if rule is not None:
        return rule(args, kwargs, out)
    if name.startswith(ATTENTION_PREFIX):
        return _attention(args, kwargs, out)
    if name in APART:
        return Cost(APART[name])
    if name in FREE or _is_view(func):
        return Cost("free")
    return Cost("pointwise") if torch.Tag.pointwise in func.tags else None


def _is_view(func: Any) -> bool:
    """An operator whose result shares the memory of an argument without writing to it."""
    results = [item.alias_info for item in func._schema.returns]
    return bool(results) and all(info is not None and not info.is_write for info in results)


def _selective_scan(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Cost:
    u, A = args[0].shape, args[2].shape
    updates = flops.scan_updates(u, A)
    return Cost("scan", 0, updates, flops.update_flops(updates, A[1]))


def _ss2d(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Cost:
    """The core of SS2D: its projections are MACs, its four scans are state updates."""
    x, w_x, w_dt, _, A = (item.shape for item in args[:5])
    updates = flops.ss2d_updates(x, A)
    macs = flops.ss2d_macs(x, w_x, w_dt)
    return Cost("scan", macs, updates, flops.update_flops(updates, A[1]))


def _wkv(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Cost:
    updates = flops.wkv_updates(args[2].shape)
    return Cost("scan", 0, updates, flops.update_flops(updates, flops.WKV_STATES))


SCAN_RULES: dict[str, Rule] = {
    "segkit::selective_scan": _selective_scan,
    "segkit::ss2d": _ss2d,
    "segkit::wkv": _wkv,
}
