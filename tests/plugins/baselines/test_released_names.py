"""Checkpoints in the released layout, made from the tables: imported, they give the goldens."""

import pytest
import torch
from safetensors.torch import load_file
from zoo_golden import fill, picture, statistics

import segkit
from segkit.engine.fitting import OURS, layouts
from segkit.engine.weights import export_weights, import_weights

slow = pytest.mark.slow
LARGE = 3_000_000
WINDOWS_4 = {"windows": (4, 4, 4, 2)}

# network -> settings, released names with a shape each, mean and deviation of the golden logits
RELEASED = {
    "egeunet": (
        {},
        {
            "encoder4.0.params_xy": (1, 6, 8, 8),
            "encoder1.0.weight": (8, 3, 3, 3),
            "GAB1.g0.0.weight": (5,),
            "GAB5.tail_conv.1.weight": (48, 100, 1, 1),
            "gt_conv1.0.weight": (1, 48, 1, 1),
            "dbn5.weight": (8,),
            "final.weight": (1, 8, 1, 1),
        },
        (0.316229505, 0.472429472),
    ),
    "malunet": (
        {},
        {
            "encoder4.0.linear_0.weight": (96, 24, 1),
            "encoder4.1.gau.w1.0.conv1.weight": (24, 1, 3, 3),
            "decoder1.0.mda0.weight": (16, 1, 3, 3),
            "decoder1.1.conv2.weight": (48, 48, 1, 1),
            "scab.satt.shared_conv2d.0.weight": (1, 2, 7, 7),
            "scab.catt.att5.weight": (48, 128),
        },
        (0.905920744, 0.652192074),
    ),
    "ultralight_vmunet": (
        {},
        {"encoder4.0.mamba.in_proj.weight": (24, 6), "decoder1.0.skip_scale": (1,)},
        None,
    ),
    "ulite": (
        {},
        {"e1.dw.dw_h.weight": (16, 1, 7, 1), "b5.dw1.dw_w.weight": (128, 1, 1, 3)},
        (0.0529154856, 0.0388927210),
    ),
    "tinyunet": (
        {},
        {
            "encoder1.cmrf.m.6.conv.weight": (4, 1, 3, 3),
            "decoder4.cmrf.pwconv1.bn.weight": (64,),
            "final_conv.weight": (1, 64, 1, 1),
        },
        (0.406330667, 0.162111055),
    ),
    "unext": (
        {},
        {
            "encoder3.weight": (128, 32, 3, 3),
            "patch_embed3.proj.weight": (160, 128, 3, 3),
            "block1.0.mlp.dwconv.dwconv.weight": (160, 1, 3, 3),
            "dblock2.0.norm2.weight": (128,),
            "dnorm4.weight": (128,),
        },
        (1.3283017e-01, 6.2163586e-02),
    ),
    "cmunext_s": (
        {},
        {
            "encoder5.block.0.0.fn.0.weight": (64, 1, 9, 9),
            "encoder5.up.conv.0.weight": (128, 64, 3, 3),
            "Up_conv2.conv.8.weight": (8,),
        },
        (1.6611365e-04, 1.0868037e-04),
    ),
    "cmunext": (
        {},
        {"encoder4.up.conv.0.weight": (160, 128, 3, 3)},
        (-7.2982653e-04, 4.1268575e-04),
    ),
    "mkunet": (
        {},
        {
            "encoder1.0.multi_scale_dwconv.dwconvs.2.0.weight": (6, 1, 5, 5),
            "decoder1.0.conv1x1.weight": (96, 160, 1, 1),
            "CA1.fc1.weight": (10, 160, 1, 1),
            "AG4.psi.0.weight": (1, 8, 1, 1),
            "SA.conv.weight": (1, 2, 7, 7),
        },
        (-7.6018735e-04, 2.0948546e-02),
    ),
    "vmunet": (
        {},
        {
            "vmunet.layers.0.downsample.reduction.weight": (192, 384),
            "vmunet.layers_up.1.upsample.expand.weight": (1536, 768),
            "vmunet.layers_up.3.blocks.0.self_attention.A_logs": (768, 16),
        },
        (9.4373873e-03, 6.6946363e-01),
    ),
    "attunet": (
        {},
        {"Conv5.conv.3.weight": (1024, 1024, 3, 3), "Att5.W_g.0.weight": (256, 512, 1, 1)},
        (-5.7341654e-03, 3.4504940e-03),
    ),
    "unetpp": (
        {},
        {"conv0_4.conv1.weight": (32, 192, 3, 3), "conv4_0.bn2.bias": (512,)},
        (1.0117727e-02, 4.1110668e-03),
    ),
    "unetpp_r34": (
        {},
        {"encoder2.0.downsample.0.weight": (128, 64, 1, 1), "decoder0_4.norm3.weight": (256,)},
        (9.6946321e-02, 1.9195578e-02),
    ),
    "segformer_b0": (
        {},
        {
            "backbone.block1.0.attn.kv.weight": (64, 32),
            "backbone.block1.0.attn.sr.weight": (32, 32, 8, 8),
            "decode_head.linear_c4.proj.weight": (256, 256),
        },
        (-4.5913754e-02, 1.0690004e-01),
    ),
    "resenc_unet": (
        {"stages": 5},
        {
            "encoder.stages.1.blocks.0.skip.1.conv.weight": (64, 32, 1, 1),
            "decoder.seg_layers.0.weight": (1, 256, 1, 1),
        },
        (2.012754e-01, 5.052619e-01),
    ),
    "transunet": (
        {"grid": (4, 4)},
        {
            "transformer.embeddings.position_embeddings": (1, 16, 768),
            "transformer.embeddings.hybrid_model.body.block1.unit1.gn_proj.weight": (256,),
            "transformer.encoder.layer.11.ffn.fc2.weight": (768, 3072),
        },
        (1.58927520e-02, 1.33990743e-02),
    ),
    "swin_unet": (
        WINDOWS_4,
        {
            "swin_unet.layers.0.blocks.0.attn.relative_position_bias_table": (49, 3),
            "swin_unet.layers_up.0.expand.weight": (1536, 768),
            "swin_unet.concat_back_dim.1.weight": (384, 768),
        },
        (-2.17325370e-02, 5.92594723e-01),
    ),
    "missformer": (
        {},
        {
            "backbone.block4.1.mlp.norm3.weight": (2048,),
            "bridge.bridge_layer4.attn.scale_reduce.sr2.weight": (320, 320, 2, 2),
            "decoder_3.layer_up.expand.weight": (1024, 512),
            "decoder_0.last_layer.weight": (1, 64, 1, 1),
        },
        (1.11600805e-01, 6.57277273e-01),
    ),
    "h2former": (
        {"window": 4},
        {
            "swin_layers.0.blocks.0.attn.relative_position_bias_table": (49, 2),
            "MS2.reductions.1.0.weight": (64, 64, 4, 4),
            "decode4.conv_bn_relu.0.weight": (256, 512, 3, 3),
        },
        (4.91496531e-01, 2.15968483e-01),
    ),
    "pspnet": (
        {},
        {"layer0.6.weight": (128, 64, 3, 3), "ppm.features.3.1.weight": (512, 2048, 1, 1)},
        None,
    ),
    "swin_umamba": (
        {},
        {
            "vssm_encoder.downsamples.2.reduction.weight": (768, 1536),
            "decoder6.transp_conv.conv.weight": (768, 768, 2, 2),
            "out_layers.3.conv.conv.weight": (1, 384, 1, 1),
        },
        (8.52257505e-01, 7.32125667e-01),
    ),
    "rwkv_unet_t": (
        {},
        {
            "encoder.stage3.1.norm.norm.weight": (96,),
            "encoder.stage4.1.att.spatial_mix_k": (1, 1, 560),
            "ccm.channel.key_norm.weight": (192,),
            "decoder4.conv_local.conv.weight": (64, 1, 9, 9),
        },
        (2.78495745e-02, 1.09402985e-02),
    ),
    "mobileuvit": (
        {},
        {
            "patch_embeddings.layer3.up.0.weight": (64, 32, 3, 3),
            "lklgl_bottleneck.0.SelfAttn.attn.LocalProp.weight": (64, 1, 2, 2),
            "lklgl_bottleneck.2.LocalAgg.conv2.weight": (64, 64, 1, 1),
        },
        (6.943106976e-03, 4.144215135e-03),
    ),
    "ukan": (
        {},
        {
            "block1.0.layer.fc3.spline_weight": (160, 160, 8),
            "block1.0.layer.fc1.grid": (160, 12),
            "dblock2.0.layer.dwconv_1.bn.weight": (128,),
        },
        (6.306496410e-03, 5.743894382e-03),
    ),
    "ultralbm": (
        {},
        {
            "encoder4.0.sep_conv1.bn_dw.weight": (6,),
            "decoder1.0.sep_conv.dw.weight": (16, 1, 7, 7),
            "k": (),
        },
        (7.448837992e-01, 6.039037910e-01),
    ),
    "mambaliteunet": (
        {},
        {
            "encoder4.local_global_mixing.global_attn.in_proj_weight": (144, 48),
            "attention2.branch_proj.3.4.weight": (16,),
        },
        (7.264419119e-01, 3.630340576e-01),
    ),
    "vmunetv2": (
        {},
        {"sdi_4.convs.3.weight": (48, 48, 3, 3), "deconv6.weight": (1, 1, 3, 3)},
        (5.651422160e-06, 4.004717569e-05),
    ),
    "lgmsnet": (
        {},
        {
            "encoder1.0.global_dwc_l.weight": (4, 1, 9, 9),
            "encoder4.0.transformer.layers.0.0.to_qkv.weight": (96, 96),
            "Up_conv4.1.conv_spilt.dwconv1x1.weight": (16, 1, 1, 1),
        },
        (-3.804189097e-03, 2.100665130e-03),
    ),
    "mbsnet": (
        {},
        {"maxDw5.dwconv.1.pwconv1.weight": (1024, 256), "D_bott3.dilat.0.weight": (64, 64, 3, 3)},
        (-1.386538297e-02, 1.150513706e-02),
    ),
    "hvmunet": (
        {},
        {
            "encoder3.0.H_SS2D.dwconv.SS2D.A_logs": (96, 16),
            "encoder3.0.H_SS2D.ss2d_in.in_proj.weight": (32, 8),
            "encoder3.2.weight": (32, 16, 3, 3),
        },
        (8.166325065e-01, 6.161477054e-01),
    ),
    "mhorunet": (
        {},
        {
            "decoder1.1.gnconv.dwconv.complex_weight": (124, 12, 7, 2),
            "decoder1.0.weight": (128, 256, 3, 3),
        },
        (7.647487037e-01, 6.046013085e-01),
    ),
}
# their decays in the golden are Mamba's own
MAMBAS = ("ultralbm", "mambaliteunet", "vmunetv2", "hvmunet", "mhorunet")


def cases():
    for name, case in RELEASED.items():
        with torch.device("meta"):
            size = sum(p.numel() for p in segkit.create(name, **case[0]).parameters())
        yield pytest.param(name, marks=[slow] if size > LARGE or name == "mambaliteunet" else [])


@pytest.mark.parametrize("name", list(cases()))
@torch.no_grad()
def test_a_released_checkpoint_gives_the_golden_logits(name, tmp_path):
    settings, names, golden = RELEASED[name]
    network = fill(segkit.create(name, **settings), log_decay=name in MAMBAS)
    released = layouts(name)["original"].to_original(network.state_dict())
    for key, shape in names.items():
        assert tuple(released[key].shape) == shape
    torch.save(released, tmp_path / "released.pth")
    words = tuple(f"model.{k}={v}" for k, v in settings.items() if k == "stages")
    done = import_weights(name, tmp_path / "released.pth", tmp_path / "run", assignments=words)
    assert done.report.fitting == len(network.state_dict())
    state = load_file(tmp_path / "run" / "fold0" / "best.safetensors")
    again = segkit.create(name, **settings).double().eval()
    again.load_state_dict(state)
    logits = again(picture())
    assert torch.equal(logits, network(picture()))
    if golden:
        assert statistics(logits) == pytest.approx(golden, rel=4e-6, abs=1e-15)
    out = export_weights(tmp_path / "run", tmp_path / "back.pth")
    back = torch.load(out, weights_only=True)
    assert back.keys() == released.keys()
    assert all(torch.equal(back[key], value) for key, value in released.items())


def test_keys_and_values_of_another_program_are_joined(tmp_path):
    torch.manual_seed(0)
    network = segkit.create("segformer_b0")
    file = layouts("segformer_b0")["huggingface"].to_original(network.state_dict())
    key = file["segformer.encoder.block.0.0.attention.self.key.weight"]
    value = file["segformer.encoder.block.0.0.attention.self.value.weight"]
    ours = network.state_dict()["stages.0.blocks.0.attention.kv.weight"]
    assert torch.equal(torch.cat([key, value]), ours)
    torch.save(file, tmp_path / "hf.pth")
    done = import_weights("segformer_b0", tmp_path / "hf.pth", tmp_path / "run")
    assert done.report.layout == "huggingface"


def test_a_fused_file_names_its_own_form(tmp_path):
    from segkit_baselines.lvunet.model import fuse

    small = fuse(segkit.create("lvunet", slope=1.0))
    file = layouts("lvunet")["fused"].to_original(small.state_dict())
    assert {"stages.0.conv.weight", "final.0.act.bias"} <= file.keys()
    torch.save(file, tmp_path / "fused.pth")
    done = import_weights("lvunet", tmp_path / "fused.pth", tmp_path / "run")
    assert (done.report.layout, dict(done.settings)) == ("fused", {"slope": 1.0, "fused": True})


def test_switches_and_numbers_are_read_off_the_shapes(tmp_path):
    cases = [
        ("attunet", {"gate": False, "width": 64}, {"gate": False}),
        ("unetpp", {"deep_supervision": True}, {"deep_supervision": True}),
        ("unext_s", {"num_classes": 4, "in_channels": 1}, {"num_classes": 4, "in_channels": 1}),
    ]
    for name, settings, told in cases:
        network = segkit.create(name, **settings)
        known = layouts(name)
        layout = known["supervised" if name == "unetpp" else "original"]
        torch.save(layout.to_original(network.state_dict()), tmp_path / f"{name}.pth")
        done = import_weights(name, tmp_path / f"{name}.pth", tmp_path / name)
        assert dict(done.settings) == told


def test_our_own_names_are_a_layout_of_every_network(tmp_path):
    torch.manual_seed(0)
    network = segkit.create("unet", width=16)
    torch.save(network.state_dict(), tmp_path / "unet.pth")
    done = import_weights("unet", tmp_path / "unet.pth", tmp_path / "run")
    assert done.report.layout == OURS
    assert all(OURS in layouts(name) for name in ("egeunet", "qtseg", "vmpanet"))
