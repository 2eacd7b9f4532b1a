"""VMPANet, described: importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published

DEMOS = ("demo", "demo-polyp", "demo-ultrasound", "demo-nuclei", "demo-vessels")


@dataclass(frozen=True)
class VMPANetConfig:
    """Widths and every part that an ablation takes away; the defaults are the paper's network."""

    in_channels: int = 3
    num_classes: int = 1
    channels: tuple[int, int, int, int, int] = (8, 16, 24, 32, 40)
    lam1: float = 0.5  # weight of the global branch in a prompt encoder
    lam2: float = 0.5  # weight of the local branch
    mu1: float = 1.0  # weight of the local prompt
    mu2: float = 1.0  # weight of the global prompt
    dw_kernels: tuple[int, int, int, int] = (3, 5, 7, 9)  # the decoder's four scales
    pcm: bool = True  # False: one 3x3 convolution per encoder level
    mca: bool = True  # False: the decoder modules are left out
    caf: bool = True  # False: upsample, 1x1 convolution, sum
    pcm_conv: bool = True  # False: a single 1x1 instead of the 7-3-1 pyramid
    pcm_mamba: bool = True  # False: no global branch, hence no global prompt
    pcm_prompt: bool = True  # False: no prompts
    mca_ss2d: bool = True
    mca_dw: bool = True  # False: no multi-scale convolutions
    easc: bool = True  # False: no embedding, edge, spatial and channel attention
    ee: bool = True
    sa: bool = True
    ca: bool = True
    ee_pointwise: bool = True  # the convolution whose place the spec deduces from the totals
    caf_softmax: Literal["row", "flat"] = "row"
    fast_heads: bool = False  # True: convolve before upsampling; same result, fewer operations
    ds_weights: Literal["equal", "shallow", "deep", "none"] = "equal"  # of the five heads' losses
    d_state: int = 16
    expand: int = 2

    def __post_init__(self) -> None:
        if any(width < 4 or width % 4 for width in self.channels):
            raise ValueError(
                f"channels {self.channels} must be multiples of 4: four scales share them"
            )
        if any(kernel < 1 or kernel % 2 == 0 for kernel in self.dw_kernels):
            raise ValueError(f"dw_kernels {self.dw_kernels} must be odd")


ARCHITECTURE = Architecture(
    name="vmpanet",
    summary="Five narrow levels of prompt encoders, cross attention and edge-aware Mamba decoders.",
    make="segkit_vmpanet.model:VMPANet",
    config=VMPANetConfig,
    paper=Paper(
        title="VMPANet: Vision Mamba Skin Lesion Image Segmentation Model Based on Prompt and "
        "Attention Mechanism Fusion",
        authors="Xinjiang University",
        year=2025,
        venue="Journal of Imaging 11(12), 443",
        url="https://www.mdpi.com/2313-433X/11/12/443",
    ),
    published=Published(
        params_m=0.383,
        gflops=1.159,
        input="3x256x256",
        source="Journal of Imaging 11(12), 443 (2025)",
        note="1.159 G follows thop's rules, which count neither the scan nor its projections.",
    ),
    size=(256, 256),
    multiple=32,
    min_train_size=32,
    params=382_658,
    recipes={
        name: f"segkit_vmpanet:{name}.toml"
        for name in ("paper", "shallow", "deep", "optimistic", "quick")
    },
    presets={"isic2017": "paper", "isic2018": "paper", **dict.fromkeys(DEMOS, "quick")},
    cards={
        f"vmpanet-{name}": f"segkit_vmpanet:card_{name}.toml"
        for name in ("isic2017", "isic2018", "ph2")
    },
    paper_counter=("thop, all five heads", "segkit_vmpanet.counter:count"),
    maps="prompts",
    notes=(
        "A reconstruction: no code is published. docs/papers/vmpanet.md lists what is inferred.",
        "Deep supervision through forward_aux: five logits at input size, the finest first.",
    ),
)
