"""What encoder and bridge are made of: convolution, batch norm, SiLU."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.folding import conv_bn, conv_transposed_bn, fold


class ConvBnAct(nn.Module):
    """SiLU(BN(conv(x))); the size is kept at stride 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, eps: float = 1e-5):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        y = conv_bn(self.conv, self.bn, x)
        return F.silu(y, inplace=not y.requires_grad)

    def parts(self, x: Tensor, count: int) -> list[Tensor]:
        """The output's channels in equal parts, each by its own convolution (evaluation only)."""
        weight, bias = fold(self.conv.weight, None, self.bn)
        pairs = zip(weight.chunk(count), bias.chunk(count), strict=True)
        step, around = self.conv.stride, self.conv.padding
        return [F.silu(F.conv2d(x, *pair, step, around)) for pair in pairs]


class UpBnAct(nn.Module):
    """SiLU(BN(transposed conv(x))) that enlarges by `factor`."""

    def __init__(self, inputs: int, outputs: int, factor: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, factor, stride=factor, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = conv_transposed_bn(self.conv, self.bn, x)
        return F.silu(y, inplace=not y.requires_grad)
