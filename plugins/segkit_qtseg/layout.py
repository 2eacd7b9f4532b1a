"""Layouts of other people's checkpoints: QTSeg's own (614 entries), its encoder file, YOLOv8n.

Importing is renaming: no tensor changes, so importing and exporting gives back the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]

# Original name -> ours, matched from the start. {i} level, {t} block, {k} class, {d} layer.
_RAISING = ("bridge.neck_0_1", "bridge.neck_0_2", "bridge.neck_1_2")
_NECKS = tuple((f"{neck}.conv_transpose", f"{neck}.conv") for neck in _RAISING)
_SHARED = (("image_encoder", "encoder"), ("mask_decoder.mask_tokens", "decoder.tokens"), *_NECKS)


def _attention(original: str, ours: str) -> Iterator[tuple[str, str]]:
    return ((f"{original}.{p}_proj", f"{ours}.{p}") for p in ("q", "k", "v", "out"))


_STAGE, _BLOCK = "decoder.stages.{i}", "decoder.stages.{i}.blocks.{t}"
_MIX = "mask_decoder.DMAB_s{i}.layers.{t}.dm_attention"
_DMA = (
    *_SHARED,
    (f"{_MIX}.channel_attention", f"{_BLOCK}.cab"),
    (f"{_MIX}.spatial_attention.cv1", f"{_BLOCK}.sam.conv"),
    *_attention(f"{_MIX}.channel_token_mix_attention", f"{_BLOCK}.channel_attention"),
    *_attention(f"{_MIX}.spatial_token_mix_attention", f"{_BLOCK}.spatial_attention"),
    (f"{_MIX}.token_layernorm", f"{_BLOCK}.norm_mix"),
    ("mask_decoder.DMAB_s{i}.layers.{t}.token_mlp", f"{_BLOCK}.mlp"),
    ("mask_decoder.DMAB_s{i}.layers.{t}.token_layernorm", f"{_BLOCK}.norm_mlp"),
    *_attention("mask_decoder.DMAB_s{i}.layers.{t}.feature_mix", f"{_BLOCK}.feature_attention"),
    *_attention("mask_decoder.DMAB_s{i}.final_attn_token_to_image", f"{_STAGE}.final_attention"),
    ("mask_decoder.DMAB_s{i}.norm_final_attn", f"{_STAGE}.final_norm"),
    ("mask_decoder.MLP_s{i}.{k}.layers.{d}", "decoder.class_mlps.{i}.{k}.{d}"),
    (
        "mask_decoder.PE_s{i}.positional_encoding_gaussian_matrix",
        "decoder.positions.{i}.frequencies",
    ),
    ("mask_decoder.SUB_s{i}", "decoder.upscales.{i}"),
)
_OLD = "mask_decoder.transformer_s{i}.layers.{t}"
_TWOWAY = (
    *_SHARED,
    *_attention(f"{_OLD}.self_attn", f"{_BLOCK}.self_attention"),
    *_attention(f"{_OLD}.cross_attn_token_to_image", f"{_BLOCK}.token_attention"),
    *_attention(f"{_OLD}.cross_attn_image_to_token", f"{_BLOCK}.feature_attention"),
    (f"{_OLD}.mlp", f"{_BLOCK}.mlp"),
    *((f"{_OLD}.norm{n}", f"{_BLOCK}.norm{n}") for n in (1, 2, 3, 4)),
    *_attention(
        "mask_decoder.transformer_s{i}.final_attn_token_to_image", f"{_STAGE}.final_attention"
    ),
    ("mask_decoder.transformer_s{i}.norm_final_attn", f"{_STAGE}.final_norm"),
    (
        "mask_decoder.output_hypernetworks_mlps_s{i}.{k}.layers.{d}",
        "decoder.class_mlps.{i}.{k}.{d}",
    ),
    (
        "mask_decoder.pe_layer_s{i}.positional_encoding_gaussian_matrix",
        "decoder.positions.{i}.frequencies",
    ),
    ("mask_decoder.output_upscaling_s{i}", "decoder.upscales.{i}"),
)


class Renaming:
    """Names changed by rules, both ways; a name without a rule stays, to be reported."""

    def __init__(self, rules: tuple[tuple[str, str], ...]):
        self._there = [(_pattern(old), _template(new)) for old, new in rules]
        self._back = [(_pattern(new), _template(old)) for old, new in rules]

    def there(self, name: str) -> str:
        """Original name -> ours."""
        return _apply(self._there, name)

    def back(self, name: str) -> str:
        """Our name -> the original."""
        return _apply(self._back, name)


def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.sub(r"\\{(\w)\\}", r"(?P<\1>\\d+)", re.escape(text))
    return re.compile(rf"{escaped}(?=\.|$)")


def _template(text: str) -> str:
    return re.sub(r"{(\w)}", r"\\g<\1>", text)


def _apply(rules: list[tuple[re.Pattern[str], str]], name: str) -> str:
    for pattern, template in rules:
        match = pattern.match(name)
        if match:
            return match.expand(template) + name[match.end() :]
    return name


class Original:
    """A whole QTSeg checkpoint: 614 entries with two classes, 560 without MLFD."""

    prefix = ""
    _dma, _twoway = Renaming(_DMA), Renaming(_TWOWAY)

    def recognises(self, state: State) -> bool:
        return any(name.startswith(("image_encoder.", "mask_decoder.")) for name in state)

    def to_segkit(self, state: State) -> dict[str, Tensor]:
        old = any(".transformer_s" in name for name in state)
        names = self._twoway if old else self._dma
        return {names.there(name): value for name, value in state.items()}

    def to_original(self, state: State) -> dict[str, Tensor]:
        twoway = any(".self_attention." in name for name in state)
        names = self._twoway if twoway else self._dma
        return {names.back(name): value for name, value in state.items()}

    def settings(self, state: State) -> dict[str, Any]:
        """The network's settings as far as the shapes of a state (our names) tell them."""
        first, tokens = state["encoder.conv_0.conv.weight"], state["decoder.tokens.weight"]
        blocks = [_count(state, rf"decoder\.stages\.{i}\.blocks\.(\d+)\.") for i in range(3)]
        told: dict[str, Any] = {
            "in_channels": first.shape[1],
            "width": first.shape[0],
            "num_classes": tokens.shape[0],
            "mlfd": any(name.startswith("bridge.") for name in state),
            "blocks": tuple(blocks),
            "token_mlp_dim": state["decoder.stages.0.blocks.0.mlp.lin1.weight"].shape[0],
        }
        if "decoder.stages.0.blocks.0.self_attention.q.weight" in state:
            return told | {"decoder": "twoway"}
        gated = "decoder.stages.0.blocks.0.cab.gamma" in state
        kernel = state["decoder.stages.0.blocks.0.sam.conv.weight"].shape[-1]
        return told | {"cab": "faithful" if gated else "paper", "sam_kernel": kernel}


def _count(state: State, pattern: str) -> int:
    return len({match[1] for name in state if (match := re.match(pattern, name))})


class EncoderFile:
    """The pretrained encoder alone: 270 entries under bare names."""

    prefix = "encoder."

    def recognises(self, state: State) -> bool:
        return "conv_0.conv.weight" in state

    def to_segkit(self, state: State) -> dict[str, Tensor]:
        return {f"encoder.{name}": value for name, value in state.items()}

    def to_original(self, state: State) -> dict[str, Tensor]:
        inside = (name for name in state if name.startswith(self.prefix))
        return {name.removeprefix(self.prefix): state[name] for name in inside}

    def settings(self, state: State) -> dict[str, Any]:
        """Width and input channels."""
        first = state["encoder.conv_0.conv.weight"]
        return {"in_channels": first.shape[1], "width": first.shape[0]}


_LAYERS = {
    **{i: f"conv_{i}" for i in (0, 1, 3, 5, 7, 16, 19)},
    **{i: f"c2f_{i}" for i in (2, 4, 6, 8, 12, 15, 18, 21)},
    9: "sppf_9",
}


class YoloV8(EncoderFile):
    """The first 22 layers of a YOLOv8 state; the detection head (layer 22) is left out.

    Its batch norms were trained with eps 1e-3, so that is what the encoder is set to.
    """

    def recognises(self, state: State) -> bool:
        return any(re.match(r"model\.\d+\.", name) for name in state)

    def to_segkit(self, state: State) -> dict[str, Tensor]:
        kept = (name for name in state if not name.startswith("model.22."))
        return {_from_yolo(name): state[name] for name in kept}

    def to_original(self, state: State) -> dict[str, Tensor]:
        numbers = {name: f"model.{number}" for number, name in _LAYERS.items()}
        bare = super().to_original(state)
        heads = ((name.partition("."), value) for name, value in bare.items())
        return {f"{numbers[head]}.{rest}": value for (head, _, rest), value in heads}

    def settings(self, state: State) -> dict[str, Any]:
        """Width, input channels and the native eps."""
        return super().settings(state) | {"encoder_bn_eps": 1e-3}


def _from_yolo(name: str) -> str:
    match = re.match(r"model\.(\d+)\.(.+)", name)
    if match and int(match[1]) in _LAYERS:
        return f"encoder.{_LAYERS[int(match[1])]}.{match[2]}"
    return name


LAYOUTS: dict[str, Original | EncoderFile] = {
    "original": Original(),
    "encoder": EncoderFile(),
    "yolov8": YoloV8(),
}
