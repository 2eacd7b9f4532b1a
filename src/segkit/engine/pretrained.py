"""Known pretrained weights by name: where they lie, their size and licence. No torch.

A file is fetched once, below `$SEGKIT_HOME/pretrained`, and held against its SHA-256 (where only
its beginning is published, against that).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segkit import paths
from segkit.errors import SegkitError

TORCHVISION = "https://download.pytorch.org/models/"
BSD = "BSD-3-Clause code; trained on ImageNet-1k (its terms: non-commercial research)"


@dataclass(frozen=True)
class Known:
    """One file. `sha256` may be the beginning only, or empty where nobody has published it."""

    name: str
    address: str
    sha256: str
    licence: str
    size: int | None = None  # bytes, where known
    named: str = ""  # on disk, where the address ends in a name that many share

    @property
    def file(self) -> str:
        """Its name on disk."""
        return self.named or self.address.rpartition("/")[2].replace("%2B", "+")


_ALL = (
    Known(
        "resnet18",
        TORCHVISION + "resnet18-f37072fd.pth",
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        BSD,
        46_830_571,
    ),
    Known(
        "resnet34",
        TORCHVISION + "resnet34-b627a593.pth",
        "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
        BSD,
    ),
    Known(
        "resnet50",
        TORCHVISION + "resnet50-0676ba61.pth",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        BSD,
        102_530_333,
    ),
    Known("resnet101", TORCHVISION + "resnet101-63fe2227.pth", "63fe2227", BSD),
    Known(
        "vgg16",
        TORCHVISION + "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        BSD,
        553_433_881,
    ),
    Known("vgg16_bn", TORCHVISION + "vgg16_bn-6c64b313.pth", "6c64b313", BSD),
    Known(
        "swin_t",
        "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/"
        "swin_tiny_patch4_window7_224.pth",
        "",
        "MIT; trained on ImageNet-1k (its terms: non-commercial research)",
    ),
    Known(
        "vmamba_t",
        "https://github.com/MzeroMiko/VMamba/releases/download/%2320240218/"
        "vssmtiny_dp01_ckpt_epoch_292.pth",
        "dbc0cc4f5ec0e45db5fba7c939d2c7d9b617e891ac10766912a8d604c37c5e47",
        "MIT; trained on ImageNet-1k (its terms: non-commercial research)",
    ),
    Known(
        "vmamba_s",
        "https://github.com/MzeroMiko/VMamba/releases/download/%2320240218/"
        "vssmsmall_dp03_ckpt_epoch_238.pth",
        "",
        "MIT; trained on ImageNet-1k (its terms: non-commercial research)",
    ),
    Known("mobilenet_v3_large", TORCHVISION + "mobilenet_v3_large-8738ca79.pth", "8738ca79", BSD),
    *(
        Known(
            f"mit_{form}",
            f"https://huggingface.co/nvidia/mit-{form}/resolve/main/pytorch_model.bin",
            "",
            "NVIDIA Source Code License for SegFormer: non-commercial use only",
            named=f"mit_{form}.bin",
        )
        for form in ("b0", "b1")
    ),
    Known(
        "r50_vit_b16_in21k",
        "https://storage.googleapis.com/vit_models/imagenet21k/R50%2BViT-B_16.npz",
        "",
        "Apache-2.0; trained on ImageNet-21k (its terms: non-commercial research)",
    ),
)
KNOWN = {known.name: known for known in _ALL}


def fetch(known: Known) -> Path:
    """The file on this machine; fetched and checked if it was not here."""
    target = paths.home() / "pretrained" / known.file
    if not target.is_file():
        _retrieve(known, target)
    found = paths.sha256(target)
    if not found.startswith(known.sha256):
        target.unlink()
        raise SegkitError(
            f"the weights '{known.name}' are damaged: the file was deleted",
            f"SHA-256 {found[:12]}…, not {known.sha256[:12]}…",
            "Fetch it again; if it stays so, the host has changed it.",
        )
    return target


def _retrieve(known: Known, target: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(known.address, None, fname=target.name, path=target.parent)
    except (ValueError, OSError, requests.RequestException) as error:
        raise SegkitError(
            f"the weights '{known.name}' cannot be fetched",
            str(error).splitlines()[0],
            f"Download {known.address} elsewhere and say --init FILE.",
        ) from error
