"""Starting from other weights: what fits is loaded, what does not is reported."""

import hashlib
import io

import numpy as np
import pytest
import torch
from loopback import host  # noqa: F401  (a fixture)

import segkit
from segkit import build
from segkit.engine import pretrained
from segkit.engine.starting import start_from
from segkit.errors import SegkitError


def bn(name, width):
    ending = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{key}": torch.rand(width) for key in ending}


def resnet18():
    """The state dict that torchvision saves."""
    state = {"conv1.weight": torch.rand(64, 3, 7, 7), **bn("bn1", 64)}
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name, inputs = f"layer{layer}.{block}", before if block == 0 else width
            state[f"{name}.conv1.weight"] = torch.rand(width, inputs, 3, 3)
            state[f"{name}.conv2.weight"] = torch.rand(width, width, 3, 3)
            state |= bn(f"{name}.bn1", width) | bn(f"{name}.bn2", width)
            if inputs != width:
                state[f"{name}.downsample.0.weight"] = torch.rand(width, inputs, 1, 1)
                state |= bn(f"{name}.downsample.1", width)
        before = width
    return state | {"fc.weight": torch.rand(1000, 512), "fc.bias": torch.rand(1000)}


def started(name, path, **config):
    network = segkit.create(name, **config)
    return network, start_from(network, str(path), build.architecture(name).starts)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("deeplabv3plus", "encoder.stages.1.0.shortcut.0.weight"),
        ("met_net", "cnn.stages.1.0.shortcut.0.weight"),
    ],
)
def test_a_resnet_of_torchvision(name, place, tmp_path):
    state = resnet18()
    torch.save(state, tmp_path / "resnet18.pth")
    network, report = started(name, tmp_path / "resnet18.pth")
    assert len(report.loaded) == report.renamed == len(state) - 2
    assert report.left == ("fc.weight", "fc.bias")
    assert report.misshapen == ()
    assert torch.equal(network.state_dict()[place], state["layer2.0.downsample.0.weight"])
    assert any("left out (2): fc.weight" in line for line in report.lines())


def test_other_input_channels_and_classes_are_reported(tmp_path):
    torch.save(resnet18(), tmp_path / "resnet18.pth")
    _, report = started("deeplabv3plus", tmp_path / "resnet18.pth", in_channels=1)
    assert report.misshapen == ("encoder.stem.0.weight (64, 3, 7, 7) for (64, 1, 7, 7)",)
    torch.save(segkit.create("mkunet_t").state_dict(), tmp_path / "net.pth")
    network, report = started("mkunet_t", tmp_path / "net.pth", num_classes=3)
    assert report.renamed == 0
    assert all("heads" in entry for entry in report.misshapen)
    assert len(report.loaded) + len(report.misshapen) == len(network.state_dict())


def test_only_a_part(tmp_path):
    source = segkit.create("mkunet_t").state_dict()
    torch.save(source, tmp_path / "net.pth")
    torch.manual_seed(5)
    network = segkit.create("mkunet_t")
    report = start_from(network, f"{tmp_path / 'net.pth'}:encoder")
    assert report.loaded
    assert all(name.startswith("encoder.") for name in report.loaded)
    key = next(name for name in source if name.startswith("decoder.") and source[name].ndim == 4)
    assert not torch.equal(network.state_dict()[key], source[key])


def test_a_swin_starts_encoder_and_decoder(tmp_path):
    network = segkit.create("swin_unet")
    value = torch.rand(4 * 192, 192)
    state = {
        "layers.1.blocks.0.mlp.fc1.weight": value,
        "layers.1.blocks.1.attn.relative_position_bias_table": torch.rand(169, 6),
        "layers.2.blocks.5.norm1.weight": torch.rand(384),
        "layers.2.downsample.reduction.weight": torch.rand(768, 1536),
        "head.weight": torch.rand(1000, 768),
    }
    torch.save({"model": state}, tmp_path / "swin.pth")
    report = start_from(network, str(tmp_path / "swin.pth"), build.architecture("swin_unet").starts)
    own = network.state_dict()
    assert torch.equal(own["encoder.1.0.mlp.0.weight"], value)
    assert torch.equal(own["decoder.1.0.mlp.0.weight"], value)
    assert "decoder.1.1.attn.table" in report.loaded
    assert set(report.left) == {"layers.2.blocks.5.norm1.weight", "head.weight"}


def test_vgg_and_vmamba_names():
    from segkit_baselines.segnet import FROM_VGG, FROM_VGG_BN
    from segkit_baselines.swin_umamba import FROM_VMAMBA

    def places(rules):
        return [int(rule[0].split("\\.")[1]) for rule in rules]

    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]  # torchvision's own
    assert places(FROM_VGG) == convolutions
    normed = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40]
    assert places(FROM_VGG_BN)[::2] == normed
    assert FROM_VMAMBA[0][1].startswith("encoder.stages.")


def test_tables_of_another_window_are_resampled_and_said(tmp_path):
    with torch.device("meta"):
        small = segkit.create("swin_unet", windows=(4, 4, 4, 2))
    row, column = torch.meshgrid(torch.arange(13.0), torch.arange(13.0), indexing="ij")
    plane = (row + 2 * column).reshape(169, 1).expand(169, 3)  # a window of 7
    network = segkit.create("swin_unet", windows=(4, 4, 4, 2))
    torch.save({"encoder.0.0.attn.table": plane.clone()}, tmp_path / "seven.pth")
    report = start_from(network, str(tmp_path / "seven.pth"))
    assert report.resampled == ("encoder.0.0.attn.table",)
    assert any(line.startswith("resampled (1)") for line in report.lines())
    found = network.state_dict()["encoder.0.0.attn.table"]
    assert found.shape == small.state_dict()["encoder.0.0.attn.table"].shape == (49, 3)
    corners = found.reshape(7, 7, 3)[[0, 0, 6, 6], [0, 6, 0, 6], 0]
    assert torch.allclose(corners, torch.tensor([0.0, 24.0, 12.0, 36.0]), atol=1e-4)
    assert found.reshape(7, 7, 3)[3, 3, 0] == pytest.approx(18.0, abs=1e-4)


def test_mobilenets_features_start_lvunet(tmp_path):
    network = segkit.create("lvunet")
    first = torch.randn(16, 3, 3, 3)
    depthwise = torch.randn(72, 1, 5, 5)  # of the fourth inverted residual
    last = torch.randn(80, 184, 1, 1)  # of the ninth
    state = {
        "features.0.0.weight": first,
        "features.4.block.1.0.weight": depthwise,
        "features.9.block.2.0.weight": last,
        "classifier.0.weight": torch.zeros(1280, 960),
    }
    torch.save(state, tmp_path / "mobilenet.pth")
    starts = build.architecture("lvunet").starts
    report = start_from(network, str(tmp_path / "mobilenet.pth"), starts)
    own = network.state_dict()
    assert torch.equal(own["stem.0.weight"], first)
    assert torch.equal(own["encoder.1.1.block.1.0.weight"], depthwise)
    assert torch.equal(own["encoder.2.3.block.2.0.weight"], last)
    assert report.left == ("classifier.0.weight",)


def test_an_encoder_of_hugging_face_starts_segformer(tmp_path):
    from segkit_baselines.segformer.released import LAYOUTS

    torch.manual_seed(0)
    trained, network = segkit.create("segformer_b0"), segkit.create("segformer_b0")
    state = LAYOUTS["huggingface"].to_original(trained.state_dict())
    encoder = {k: v for k, v in state.items() if k.startswith("segformer.")}
    torch.save({**encoder, "classifier.weight": torch.zeros(1000, 256)}, tmp_path / "mit.bin")
    starts = build.architecture("segformer_b0").starts
    report = start_from(network, str(tmp_path / "mit.bin"), starts)
    inside = [key for key in trained.state_dict() if key.startswith("stages.")]
    assert set(report.loaded) == set(inside)
    own = network.state_dict()
    assert all(torch.equal(own[key], trained.state_dict()[key]) for key in inside)


def test_arrays_of_google_for_transunet(tmp_path):
    query = np.random.default_rng(0).random((768, 12, 64), np.float32)
    out = np.random.default_rng(1).random((12, 64, 768), np.float32)
    root = np.random.default_rng(2).random((7, 7, 3, 64), np.float32)
    attention = "Transformer/encoderblock_3/MultiHeadDotProductAttention_1"
    arrays = {
        f"{attention}/query/kernel": query,
        f"{attention}/out/kernel": out,
        "conv_root/kernel": root,
        "block2/unit1/gn_proj/scale": np.ones((1, 1, 1, 512), np.float32),
        "Transformer/posembed_input/pos_embedding": np.ones((1, 197, 768), np.float32),
        "head/kernel": np.ones((768, 10), np.float32),
    }
    np.savez(tmp_path / "R50.npz", **arrays)
    from segkit_baselines.transunet.released import from_arrays

    state = from_arrays({key: torch.from_numpy(value) for key, value in arrays.items()})
    x = torch.rand(5, 768)
    by_head = torch.einsum("nc,chd->nhd", x, torch.from_numpy(query)).flatten(1)
    assert torch.allclose(x @ state["layers.3.attn.query.weight"].t(), by_head, rtol=1e-4)
    back = torch.einsum("nhd,hdc->nc", x.unflatten(1, (12, 64)), torch.from_numpy(out))
    assert torch.allclose(x @ state["layers.3.attn.out.weight"].t(), back, rtol=1e-4)
    assert state["encoder.root.0.weight"].shape == (64, 3, 7, 7)
    assert state["encoder.blocks.1.0.shortcut.1.weight"].shape == (512,)
    assert state["position"].shape == (1, 196, 768)
    with torch.device("meta"):
        places = segkit.create("transunet").state_dict()
    assert all(places[key].shape == value.shape for key, value in state.items())


def test_nothing_that_fits_is_an_error(tmp_path):
    torch.save({"other.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(SegkitError, match=r"nothing of .* fits"):
        started("mkunet_t", tmp_path / "other.pth")


@pytest.mark.network
def test_known_weights_are_fetched_once_and_checked(host, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    buffer = io.BytesIO()
    torch.save(resnet18(), buffer)
    content = buffer.getvalue()
    host.files["/resnet18-small.pth"] = content
    digest = hashlib.sha256(content).hexdigest()
    address = f"{host.address}/resnet18-small.pth"
    known = pretrained.Known("resnet18", address, digest[:8], "BSD")
    monkeypatch.setitem(pretrained.KNOWN, "resnet18", known)
    _, report = started("deeplabv3plus", "resnet18")
    assert len(report.loaded) == 100
    asked = len(host.asked)
    started("deeplabv3plus", "resnet18")
    assert len(host.asked) == asked  # from the disk
    wrong = pretrained.Known("resnet18", address, "0" * 64, "BSD")
    monkeypatch.setitem(pretrained.KNOWN, "resnet18", wrong)
    with pytest.raises(SegkitError, match="damaged"):
        started("deeplabv3plus", "resnet18")
    assert not (tmp_path / "pretrained" / "resnet18-small.pth").exists()


def test_every_known_file_has_an_address_and_a_licence():
    for known in pretrained.KNOWN.values():
        assert known.address.startswith("https://")
        assert known.licence
        assert len(known.sha256) in (0, 8, 64)
