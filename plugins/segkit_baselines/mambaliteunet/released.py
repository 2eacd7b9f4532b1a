"""The released names of MambaLiteUNet."""

from __future__ import annotations

from segkit.nn.renaming import Layout
from segkit_baselines.renamings import SKELETON, levels, under

LAYOUT = Layout(
    *((f"encoder{i}.0", f"encoder.{i - 1}") for i in (1, 2, 3)),
    *levels(
        ("mamba_layers.{k}.mamba", "mamba.{k}"),
        ("conv_q_dw", "weigh.0"),
        ("conv_q_pw", "weigh.1"),
        ("conv_r_dw", "refine.0"),
        ("conv_r_pw", "refine.1"),
        ("dw_conv_final_dw", "join.0"),
        ("dw_conv_final_pw", "join.1"),
        ("local_global_mixing.global_attn.in_proj_weight", "mixing.global_attn.qkv.weight"),
        ("local_global_mixing.global_attn.in_proj_bias", "mixing.global_attn.qkv.bias"),
        ("local_global_mixing.global_attn.out_proj", "mixing.global_attn.proj"),
        ("local_global_mixing", "mixing"),
    ),
    ("encoder{i}", "encoder.{i-1}"),
    ("decoder{i}", "decoder.{i-1}"),
    *under(
        "attention{i}.",
        "gates.{5-i}.",
        ("mamba_g.{k}.mamba", "branches.{k}.mamba_g"),
        ("mamba_x.{k}.mamba", "branches.{k}.mamba_x"),
        ("conv_g_dw.{k}", "branches.{k}.gate_g"),
        ("conv_x_dw.{k}", "branches.{k}.gate_x"),
        ("branch_proj.{k}.0", "branches.{k}.project.0.0"),
        ("branch_proj.{k}.1", "branches.{k}.project.0.1"),
        ("branch_proj.{k}.3", "branches.{k}.project.1.0"),
        ("branch_proj.{k}.4", "branches.{k}.project.1.1"),
        ("combine.0", "combine.0.0"),
        ("combine.1", "combine.0.1"),
        ("combine.3", "combine.1"),
        ("combine.4", "combine.2"),
    ),
    *SKELETON,
)
