"""The original checkpoint layout: every name and shape that is published, and no other."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
import torch

import segkit
from segkit_qtseg.layout import LAYOUTS

ORIGINAL = LAYOUTS["original"]


@cache
def original_shapes(**config: object) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = segkit.create("qtseg", **config).state_dict()
    return {name: tuple(value.shape) for name, value in ORIGINAL.to_original(state).items()}


def test_number_of_entries_by_part() -> None:
    parts = Counter(name.partition(".")[0] for name in original_shapes())
    assert parts == {"image_encoder": 270, "mask_decoder": 290, "bridge": 54}


BLOCK = "mask_decoder.DMAB_s1.layers.1"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("image_encoder.conv_0.conv.weight", (16, 3, 3, 3)),
        ("image_encoder.conv_19.bn.num_batches_tracked", ()),
        ("image_encoder.c2f_6.m.1.cv2.conv.weight", (64, 64, 3, 3)),
        ("image_encoder.c2f_21.cv2.conv.weight", (256, 384, 1, 1)),
        ("image_encoder.sppf_9.cv1.conv.weight", (128, 256, 1, 1)),
        ("image_encoder.sppf_9.cv2.conv.weight", (256, 512, 1, 1)),
        ("bridge.neck_0_0.conv.weight", (32, 64, 1, 1)),
        ("bridge.neck_0_1.conv_transpose.weight", (128, 16, 2, 2)),
        ("bridge.neck_0_2.conv_transpose.weight", (256, 16, 4, 4)),
        ("bridge.neck_1_0.conv.weight", (32, 64, 3, 3)),
        ("bridge.neck_1_2.conv_transpose.weight", (256, 32, 2, 2)),
        ("bridge.neck_2_0.conv.weight", (64, 64, 3, 3)),
        ("bridge.neck_2_1.bn.running_var", (64,)),
        ("mask_decoder.mask_tokens.weight", (2, 256)),
        (f"{BLOCK}.dm_attention.channel_attention.gamma", (1,)),
        (f"{BLOCK}.dm_attention.spatial_attention.cv1.weight", (1, 2, 7, 7)),
        (f"{BLOCK}.dm_attention.channel_token_mix_attention.q_proj.weight", (64, 128)),
        (f"{BLOCK}.dm_attention.spatial_token_mix_attention.out_proj.weight", (128, 64)),
        (f"{BLOCK}.dm_attention.token_layernorm.bias", (128,)),
        (f"{BLOCK}.token_mlp.lin1.weight", (2048, 128)),
        (f"{BLOCK}.token_layernorm.weight", (128,)),
        (f"{BLOCK}.feature_mix.v_proj.bias", (64,)),
        ("mask_decoder.DMAB_s2.final_attn_token_to_image.k_proj.weight", (128, 256)),
        ("mask_decoder.DMAB_s0.norm_final_attn.weight", (64,)),
        ("mask_decoder.MLP_s2.1.layers.2.weight", (128, 256)),
        ("mask_decoder.MLP_s1.0.layers.2.weight", (64, 128)),
        ("mask_decoder.MLP_s0.0.layers.2.weight", (64, 64)),
        ("mask_decoder.PE_s2.positional_encoding_gaussian_matrix", (2, 128)),
        ("mask_decoder.PE_s0.positional_encoding_gaussian_matrix", (2, 32)),
        ("mask_decoder.SUB_s2.0.weight", (256, 128, 2, 2)),
        ("mask_decoder.SUB_s2.1.weight", (128,)),
        ("mask_decoder.SUB_s0.0.weight", (64, 32, 2, 2)),
        ("mask_decoder.SUB_s0.3.weight", (32, 64, 2, 2)),
        ("mask_decoder.SUB_s0.4.bias", (64,)),
    ],
)
def test_published_names(name: str, shape: tuple[int, ...]) -> None:
    assert original_shapes()[name] == shape


def test_no_name_of_ours_is_left() -> None:
    allowed = r"(conv|conv_transpose|bn|cv\d|m|\d+|layers|\w+_proj|lin\d|gamma|channel_attention)"
    for name in original_shapes():
        if name.startswith("mask_decoder."):
            assert re.match(r"mask_decoder\.(mask_tokens|DMAB_s|MLP_s|PE_s|SUB_s)", name)
        else:
            middle = name.split(".")[2:-1]
            assert all(re.fullmatch(allowed, piece) for piece in middle), name


def test_names_of_the_twoway_decoder() -> None:
    shapes = original_shapes(decoder="twoway")
    block = "mask_decoder.transformer_s2.layers.0"
    assert shapes[f"{block}.self_attn.q_proj.weight"] == (256, 256)
    assert shapes[f"{block}.cross_attn_token_to_image.q_proj.weight"] == (128, 256)
    assert shapes[f"{block}.cross_attn_image_to_token.out_proj.weight"] == (256, 128)
    assert shapes[f"{block}.mlp.lin1.weight"] == (2048, 256)
    assert shapes[f"{block}.norm4.weight"] == (256,)
    assert shapes["mask_decoder.output_hypernetworks_mlps_s0.1.layers.2.bias"] == (64,)
    assert shapes["mask_decoder.pe_layer_s1.positional_encoding_gaussian_matrix"] == (2, 64)
    assert shapes["mask_decoder.output_upscaling_s0.4.weight"] == (64,)


@pytest.mark.parametrize("config", [{}, {"decoder": "twoway"}, {"mlfd": False}, {"cab": "paper"}])
def test_renaming_is_undone_by_its_inverse(config: dict[str, object]) -> None:
    with torch.device("meta"):
        state = segkit.create("qtseg", **config).state_dict()
    back = ORIGINAL.to_segkit(ORIGINAL.to_original(state))
    assert list(back) == list(state)
    assert all(back[name] is state[name] for name in state)


def test_yolo_numbers_match_layers() -> None:
    with torch.device("meta"):
        state = segkit.create("qtseg").state_dict()
    names = LAYOUTS["yolov8"].to_original(state)
    assert len(names) == 270
    assert names["model.0.conv.weight"] is state["encoder.conv_0.conv.weight"]
    assert names["model.4.m.1.cv2.bn.bias"] is state["encoder.c2f_4.m.1.cv2.bn.bias"]
    assert names["model.9.cv2.conv.weight"] is state["encoder.sppf_9.cv2.conv.weight"]
    assert LAYOUTS["yolov8"].settings(state)["encoder_bn_eps"] == 1e-3
