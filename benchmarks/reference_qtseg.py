"""QTSeg as one would write it down first: plain eager PyTorch, NCHW, every formula literally.

Kept as the peer of the speed benchmark and as an independent second implementation. Modules carry
the names of the original checkpoint, so `load_state_dict` takes an original file.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CBA(nn.Module):
    def __init__(self, i: int, o: int, k: int, s: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.bn(self.conv(x)))


class UpCBA(nn.Module):
    def __init__(self, i: int, o: int, s: int):
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(i, o, s, s, bias=False)
        self.bn = nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.bn(self.conv_transpose(x)))


class Bottleneck(nn.Module):
    def __init__(self, h: int, add: bool):
        super().__init__()
        self.cv1, self.cv2, self.add = CBA(h, h, 3), CBA(h, h, 3), add

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    def __init__(self, i: int, o: int, r: int, add: bool):
        super().__init__()
        h = o // 2
        self.cv1, self.cv2 = CBA(i, 2 * h, 1), CBA((2 + r) * h, o, 1)
        self.m = nn.ModuleList([Bottleneck(h, add) for _ in range(r)])

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for m in self.m:
            parts.append(m(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.cv1, self.cv2 = CBA(c, c // 2, 1), CBA(2 * c, c, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(self.pool(y[-1]))
        return self.cv2(torch.cat(y, 1))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for k, (i, o) in {0: (3, 16), 1: (16, 32), 3: (32, 64), 5: (64, 128)}.items():
            self.add_module(f"conv_{k}", CBA(i, o, 3, 2))
        self.conv_7, self.conv_16 = CBA(128, 256, 3, 2), CBA(64, 64, 3, 2)
        self.conv_19, self.sppf_9 = CBA(128, 128, 3, 2), SPPF(256)
        self.c2f_2, self.c2f_4 = C2f(32, 32, 1, True), C2f(64, 64, 2, True)
        self.c2f_6, self.c2f_8 = C2f(128, 128, 2, True), C2f(256, 256, 1, True)
        self.c2f_12, self.c2f_15 = C2f(384, 128, 1, False), C2f(192, 64, 1, False)
        self.c2f_18, self.c2f_21 = C2f(192, 128, 1, False), C2f(384, 256, 1, False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x4 = self.c2f_4(self.conv_3(self.c2f_2(self.conv_1(self.conv_0(x)))))
        x6 = self.c2f_6(self.conv_5(x4))
        x9 = self.sppf_9(self.c2f_8(self.conv_7(x6)))
        x12 = self.c2f_12(torch.cat([F.interpolate(x9, scale_factor=2), x6], 1))
        p3 = self.c2f_15(torch.cat([F.interpolate(x12, scale_factor=2), x4], 1))
        p4 = self.c2f_18(torch.cat([self.conv_16(p3), x12], 1))
        return [p3, p4, self.c2f_21(torch.cat([self.conv_19(p4), x9], 1))]


class Bridge(nn.Module):
    def __init__(self, widths: list[int]):
        super().__init__()
        for i, o in enumerate(widths):
            for j, c in enumerate(widths):
                if i == j:
                    neck: nn.Module = CBA(c, o // 2, 1)
                elif j < i:
                    neck = CBA(c, o // 4, 3, 2 ** (i - j))
                else:
                    neck = UpCBA(c, o // 4, 2 ** (j - i))
                self.add_module(f"neck_{i}_{j}", neck)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        necks = dict(self.named_children())
        return [
            torch.cat([necks[f"neck_{i}_{j}"](x) for j, x in enumerate(maps)], 1) for i in range(3)
        ]


class Attention(nn.Module):
    def __init__(self, c: int, heads: int = 8):
        super().__init__()
        d = c // 2
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(c, d), nn.Linear(c, d)
        self.v_proj, self.out_proj = nn.Linear(c, d), nn.Linear(d, c)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        weights = torch.softmax(q @ k.permute(0, 1, 3, 2) / math.sqrt(q.shape[-1]), dim=-1)
        out = (weights @ v).transpose(1, 2)
        return self.out_proj(out.reshape(out.shape[0], out.shape[1], -1))

    def split(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        return x.reshape(b, n, self.heads, d // self.heads).transpose(1, 2)


class LN2d(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class PE(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, c // 2))

    def forward(self, h: int, w: int) -> Tensor:
        g = self.positional_encoding_gaussian_matrix
        grid = torch.ones(h, w, device=g.device, dtype=g.dtype)
        y, x = (grid.cumsum(0) - 0.5) / h, (grid.cumsum(1) - 0.5) / w
        angle = 2 * math.pi * ((2 * torch.stack([x, y], -1) - 1) @ g)
        return torch.cat([angle.sin(), angle.cos()], -1).permute(2, 0, 1)


class CAB(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        b, c, h, w = z.shape
        x = z.view(b, c, -1)
        energy = torch.bmm(x, x.permute(0, 2, 1))
        energy = torch.max(energy, -1, keepdim=True)[0].expand_as(energy) - energy
        return self.gamma * torch.bmm(torch.softmax(energy, -1), x).view(b, c, h, w) + z


class SAM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cv1 = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        summary = torch.cat([z.mean(1, keepdim=True), z.max(1, keepdim=True)[0]], 1)
        return z * torch.sigmoid(self.cv1(summary)) + z


class DualMix(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.channel_attention, self.spatial_attention = CAB(), SAM()
        self.channel_token_mix_attention = Attention(c)
        self.spatial_token_mix_attention = Attention(c)
        self.token_layernorm = nn.LayerNorm(c)

    def forward(self, t: Tensor, f: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        z = f + p
        s = self.spatial_attention(z).flatten(2).permute(0, 2, 1)
        ch = self.channel_attention(z).flatten(2).permute(0, 2, 1)
        a = self.spatial_token_mix_attention(t, s, s) + self.channel_token_mix_attention(t, ch, ch)
        return self.token_layernorm(a + t), s + ch


class TokenMLP(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(c, 2048), nn.Linear(2048, c)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(F.gelu(self.lin1(x)))


class Block(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.dm_attention, self.token_mlp = DualMix(c), TokenMLP(c)
        self.token_layernorm, self.feature_mix = nn.LayerNorm(c), Attention(c)

    def forward(self, t: Tensor, f: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        a, g = self.dm_attention(t, f, p)
        back = self.feature_mix(g + p.flatten(1).t(), a, a)
        f = f + back.permute(0, 2, 1).reshape(f.shape)
        return t + self.token_layernorm(self.token_mlp(a)), f


class Stage(nn.Module):
    def __init__(self, c: int, blocks: int):
        super().__init__()
        self.layers = nn.ModuleList([Block(c) for _ in range(blocks)])
        self.final_attn_token_to_image = Attention(c)
        self.norm_final_attn = nn.LayerNorm(c)

    def forward(self, t: Tensor, f: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        q = t
        for layer in self.layers:
            q, f = layer(q, f, p)
        flat = f.flatten(2).permute(0, 2, 1)
        read = self.final_attn_token_to_image(q + t, flat + p.flatten(1).t(), flat)
        return self.norm_final_attn(q + read), f


class MLP(nn.Module):
    def __init__(self, c: int, out: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(c, c), nn.Linear(c, c), nn.Linear(c, out)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


def raising(i: int, o: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(i, o, 2, 2), LN2d(o), nn.GELU()]


class Decoder(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.mask_tokens = nn.Embedding(classes, 256)
        ups = {0: raising(64, 32) + raising(32, 64), 1: raising(128, 64), 2: raising(256, 128)}
        for level, (c, out, blocks) in enumerate([(64, 64, 1), (128, 64, 2), (256, 128, 3)]):
            self.add_module(f"DMAB_s{level}", Stage(c, blocks))
            mlps = nn.ModuleList([MLP(c, out) for _ in range(classes)])
            self.add_module(f"MLP_s{level}", mlps)
            self.add_module(f"PE_s{level}", PE(c))
            self.add_module(f"SUB_s{level}", nn.Sequential(*ups[level]))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        parts = dict(self.named_children())
        t = self.mask_tokens.weight.unsqueeze(0).expand(maps[0].shape[0], -1, -1)
        raised: Tensor | float = 0.0
        for level in (2, 1, 0):
            f = maps[level] + raised
            p = parts[f"PE_s{level}"](*f.shape[-2:])
            q, f = parts[f"DMAB_s{level}"](t, f, p)
            raised = parts[f"SUB_s{level}"](f)
            mlps = list(parts[f"MLP_s{level}"].children())
            t = torch.stack([mlp(q[:, k]) for k, mlp in enumerate(mlps)], 1)
        assert isinstance(raised, Tensor)
        return t, raised


class Reference(nn.Module):
    """Image (B,3,H,W), sides multiples of 32 -> logits (B,K,H,W)."""

    def __init__(self, classes: int = 2):
        super().__init__()
        self.image_encoder, self.bridge = Encoder(), Bridge([64, 128, 256])
        self.mask_decoder = Decoder(classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens, embedding = self.mask_decoder(self.bridge(self.image_encoder(x)))
        b, c, h, w = embedding.shape
        low = (tokens @ embedding.view(b, c, h * w)).view(b, -1, h, w)
        return F.interpolate(low, size=x.shape[-2:], mode="bilinear", align_corners=False)


def loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean cross entropy plus the Dice of class 1."""
    p = torch.softmax(logits, 1)[:, 1].flatten(1)
    y = mask.flatten(1).to(p.dtype)
    dice = 1 - (2 * (p * y).sum(1) + 1e-6) / (p.sum(1) + y.sum(1) + 1e-6)
    return F.cross_entropy(logits, mask) + dice.mean()
