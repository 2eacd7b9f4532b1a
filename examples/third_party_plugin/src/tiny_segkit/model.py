"""The network: a module that takes its config and returns logits at input size."""

from torch import Tensor, nn

from tiny_segkit import TinyConfig


class TinyCNN(nn.Sequential):
    """3×3 convolutions at full size, dilated 1, 2 and 4, then a 1×1 head."""

    def __init__(self, config: TinyConfig):
        layers: list[nn.Module] = []
        channels = config.in_channels
        for dilation in (1, 2, 4, 8):
            layers += [
                nn.Conv2d(channels, config.width, 3, padding=dilation, dilation=dilation),
                nn.GroupNorm(3, config.width),
                nn.SiLU(),
            ]
            channels = config.width
        super().__init__(*layers, nn.Conv2d(channels, config.num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image)  # (B, num_classes, H, W)
