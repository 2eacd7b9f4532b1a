"""The blocks of DermoMamba, small to large: attention gates, cross-scale Mamba, sweep."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.errors import UsageError
from segkit.nn import SS2D, VSSBlock


class AxialConv(nn.Module):
    """Depthwise 1x7, then 7x1, then a dilated 3x3, around a skip: p + DW3x3(DW7x1(DW1x7(p)))."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.along_width = _depthwise(channels, (1, 7), dilation)
        self.along_height = _depthwise(channels, (7, 1), dilation)
        self.square = _depthwise(channels, (3, 3), dilation)

    def forward(self, part: Tensor) -> Tensor:
        return part + self.square(self.along_height(self.along_width(part)))


def _depthwise(channels: int, kernel: tuple[int, int], dilation: int) -> nn.Conv2d:
    padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
    return nn.Conv2d(
        channels, channels, kernel, padding=padding, dilation=dilation, groups=channels
    )


class CrossScaleMamba(nn.Module):
    """CSMB: three channel quarters share one VSS block at dilations 1, 2, 3; the fourth passes."""

    def __init__(self, channels: int):
        super().__init__()
        quarter = channels // 4
        self.axial = nn.ModuleList(AxialConv(quarter, dilation) for dilation in (1, 2, 3))
        self.vss = VSSBlock(quarter, norm_eps=1e-6)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        *scales, untouched = x.chunk(4, dim=1)
        branches = [axial(part) for axial, part in zip(self.axial, scales, strict=True)]
        # the shared block sees the three branches as one batch: it has no batch statistics
        mixed = self.vss(torch.cat(branches).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        parts = mixed.unflatten(0, (3, -1)).unbind()  # no chunk: an exported batch has no number
        return F.relu(self.norm(torch.cat([*parts, untouched], dim=1)))


class ResidualMamba(nn.Module):
    """A convolution around the cross-scale block's output; there is no path around that block."""

    def __init__(self, channels: int):
        super().__init__()
        self.cross_scale = CrossScaleMamba(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.InstanceNorm2d(channels, affine=True)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        v = self.cross_scale(x)
        return F.leaky_relu(self.norm(self.conv(v)), 0.01) + self.scale * v


class ChannelGate(nn.Module):
    """sigma(M(average) + M(maximum)) over the positions, with one shared two-layer M."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Linear(channels, channels // 16)
        self.expand = nn.Linear(channels // 16, channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.stack([x.mean((2, 3)), x.amax((2, 3))])  # 2,B,C
        gate = self.expand(F.relu(self.reduce(pooled))).sum(0).sigmoid()
        return x * gate[:, :, None, None]


class SpatialGate(nn.Module):
    """A 7x7 convolution over [maximum, mean] of the channels, in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.stack([x.amax(1), x.mean(1)], dim=1)  # B,2,H,W
        return x * self.norm(self.conv(pooled)).sigmoid()


class CBAM(nn.Module):
    """Channel gate, then spatial gate, on a skip connection."""

    def __init__(self, channels: int):
        super().__init__()
        self.channel = ChannelGate(channels)
        self.spatial = SpatialGate()

    def forward(self, skip: Tensor) -> Tensor:
        return self.spatial(self.channel(skip))


class ChannelAttention(nn.Module):
    """PCA (PCAM in the figure): a 9x9 context gates itself by the rise of the channel means."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 9, padding=4, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        context = self.conv(x)
        before, after = x.mean((2, 3), keepdim=True), context.mean((2, 3), keepdim=True)
        rise = (after - before).softmax(dim=1)
        return context * (after * (1 + rise)).sigmoid()


class Sweep(nn.Module):
    """Three SS2D over the planes (rows, columns), (columns, features), (features, rows).

    The second takes the rows as its features, the third the columns, so their widths are a grid;
    on another grid that axis is resampled linearly before and after.
    """

    def __init__(self, channels: int, width: int, grid: tuple[int, int]):
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(channels)
        self.project_in = nn.Linear(channels, width)
        self.plane = SS2D(width)
        self.rows = SS2D(grid[0])
        self.columns = SS2D(grid[1])
        self.project_out = nn.Linear(width, channels)
        self.scale = nn.Parameter(torch.ones(1))
        self.norm_out = nn.BatchNorm2d(channels)
        self.register_load_state_dict_pre_hook(_refuse_other_grid)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # B,h,w,512
        t = self.project_in(self.norm(x))  # B,h,w,C
        over_plane = self.plane(t)
        over_rows = _on_grid(self.rows, t.permute(0, 2, 3, 1), self.grid[0])  # B,w,C,h
        over_columns = _on_grid(self.columns, t.permute(0, 3, 1, 2), self.grid[1])  # B,C,h,w
        mixed = over_plane + over_rows.permute(0, 3, 1, 2) + over_columns.permute(0, 2, 3, 1)
        out = self.project_out(F.silu(t) * mixed) + self.scale * x
        return F.relu(self.norm_out(out.permute(0, 3, 1, 2)))


def _on_grid(ss2d: nn.Module, x: Tensor, length: int) -> Tensor:
    """SS2D with the last axis of x resampled to `length` features and back."""
    native: int = x.shape[-1]
    return _resample(ss2d(_resample(x, length)), native)


def _resample(x: Tensor, length: int) -> Tensor:
    """Linear interpolation of the last axis of (B,P,Q,n); nothing where it already fits."""
    if x.shape[-1] == length:
        return x
    return F.interpolate(x.flatten(1, 2), size=length, mode="linear").unflatten(1, x.shape[1:3])


def _refuse_other_grid(sweep: nn.Module, state: dict, prefix: str, *_: object) -> None:
    """Weights of another grid belong to another network."""
    assert isinstance(sweep, Sweep)
    found = tuple(
        state[key].shape[0] if key in state else own
        for key, own in zip(
            (f"{prefix}rows.out_proj.weight", f"{prefix}columns.out_proj.weight"),
            sweep.grid,
            strict=True,
        )
    )
    if found != tuple(sweep.grid):
        rows, columns = found
        raise UsageError(
            f"the weights were trained on grid {rows}x{columns}",
            f"this network has grid {sweep.grid[0]}x{sweep.grid[1]}",
            f"Build it with --set model.grid=[{rows},{columns}].",
        )
