"""Google's R50+ViT-B_16 arrays under TransUNet's names."""

from __future__ import annotations

import re

from torch import Tensor

State = dict[str, Tensor]
NAMES = (  # a whole name there -> ours, without weight or bias
    (r"conv_root", "encoder.root.0"),
    (r"gn_root", "encoder.root.1"),
    (r"block(\d)/unit(\d+)/(conv|gn)(\d)", r"encoder.blocks.<\1>.<\2>.\3\4"),
    (r"block(\d)/unit(\d+)/conv_proj", r"encoder.blocks.<\1>.<\2>.shortcut.0"),
    (r"block(\d)/unit(\d+)/gn_proj", r"encoder.blocks.<\1>.<\2>.shortcut.1"),
    (r"embedding", "embed"),
    (r"Transformer/encoderblock_(\d+)/LayerNorm_0", r"layers.\1.attention_norm"),
    (r"Transformer/encoderblock_(\d+)/LayerNorm_2", r"layers.\1.ffn_norm"),
    (
        r"Transformer/encoderblock_(\d+)/MultiHeadDotProductAttention_1/(\w+)",
        r"layers.\1.attn.\2",
    ),
    (r"Transformer/encoderblock_(\d+)/MlpBlock_3/Dense_0", r"layers.\1.ffn.0"),
    (r"Transformer/encoderblock_(\d+)/MlpBlock_3/Dense_1", r"layers.\1.ffn.3"),
    (r"Transformer/encoder_norm", "norm"),
)
POSITIONS = "Transformer/posembed_input/pos_embedding"


def from_arrays(arrays: State) -> State:
    """Kernels transposed, heads flattened, the class token's row dropped."""
    state: State = {}
    for key, value in arrays.items():
        path, _, kind = key.rpartition("/")
        name = _named(path)
        if name is not None:
            ending = "bias" if kind == "bias" else "weight"
            state[f"{name}.{ending}"] = _turned(value, path, kind)
    if POSITIONS in arrays:
        state["position"] = arrays[POSITIONS][:, 1:]
    return state


def _named(path: str) -> str | None:
    for pattern, replacement in NAMES:
        match = re.fullmatch(pattern, path)
        if match:  # <n> counts from 1 there, from 0 here
            return re.sub(r"<(\d+)>", lambda m: str(int(m[1]) - 1), match.expand(replacement))
    return None


def _turned(value: Tensor, path: str, kind: str) -> Tensor:
    if kind != "kernel":
        return value.flatten()  # norms are stored as maps, biases of q, k, v by head
    if value.ndim == 4:
        return value.permute(3, 2, 0, 1).contiguous()  # HWIO
    rows = value.shape[0] * value.shape[1] if path.endswith("/out") else value.shape[0]
    return value.reshape(rows, -1).t().contiguous()
