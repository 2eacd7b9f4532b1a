"""The C kernels as a backend: pointers of tensors to `segkit.native`. Float32 on the CPU."""

from __future__ import annotations

import ctypes
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit import native
from segkit.errors import SegkitError
from segkit.ops import ScanArgs, ScanGrads, ScanKernels, SS2DArgs, SS2DGrads
from segkit.ops.arguments import carry_shape, ss2d_carry_shape

TASKS = 16  # pieces that a problem is cut into at least, if it is big enough; never by thread count
SHARE = 1 << 13  # floats that one task adds up
WIDTH = 16  # channels of one piece at least: they share the tiles of B and C


def fields(pointers: str, numbers: str) -> list[tuple[str, type]]:
    """The fields of a C struct: pointers first, then 64-bit integers."""
    return [
        *((name, ctypes.c_void_p) for name in pointers.split()),
        *((name, ctypes.c_int64) for name in numbers.split()),
    ]


class Problem(ctypes.Structure):
    """A C struct that keeps the tensors alive whose addresses it holds."""

    tensors: dict[str, Tensor | None]

    @classmethod
    def of(cls, tensors: dict[str, Tensor | None], **numbers: int) -> Self:
        addresses = {k: None if v is None else v.data_ptr() for k, v in tensors.items()}
        problem = cls(**addresses, **numbers)
        problem.tensors = tensors
        return problem


class Scan(Problem):
    """`struct scan` of scan.c."""

    _fields_: ClassVar = fields(
        "u delta A B C D bias y carry dy d_u d_delta d_B d_C d_A d_D d_bias",
        "batch channels length state groups blocks width soft reverse",
    )


class SS2D(Problem):
    """`struct ss2d` of ss2d.c."""

    _fields_: ClassVar = fields(
        "x proj w_dt bias A D planes carry dy d_proj d_w_dt d_bias d_A d_D",
        "batch height width channels state rank blocks block_width",
    )


class Product(Problem):
    """`struct product` of product.c."""

    _fields_: ClassVar = fields("a w out", "rows inner cols padded add")


class Adding(Problem):
    """`struct adding` of product.c."""

    _fields_: ClassVar = fields("parts out", "count size share")


class Outer(Problem):
    """`struct outer` of product.c."""

    _fields_: ClassVar = fields("a b out", "rows m n parts")


def launch(kernel: str, problem: ctypes.Structure, tasks: int) -> None:
    """Run a kernel on as many threads as torch uses."""
    native.run(native.function(kernel), problem, tasks, torch.get_num_threads())


def add_up(parts: Tensor) -> Tensor:
    """The sum over the first axis of something small, always in the same order; overwrites it."""
    if parts.shape[0] == 0:
        return parts.sum(0)
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def join(parts: Tensor) -> Tensor:
    """The sum over the first axis, added in order, by all threads."""
    if parts.shape[0] == 1:
        return parts[0]
    out = parts.new_empty(parts.shape[1:])
    sizes = {"count": parts.shape[0], "size": out.numel(), "share": SHARE}
    launch("segkit_add", Adding.of({"parts": parts, "out": out}, **sizes), -(-out.numel() // SHARE))
    return out


class NativeKernels(ScanKernels):
    """Scan and fused SS2D in C."""

    dtypes = (torch.float32,)
    max_state = 256

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        y = args.u.new_empty(args.u.shape)
        carry = args.u.new_empty(carry_shape(args))
        if args.u.numel():
            args = contiguous(args)
            problem = self._problem(args, y=y, carry=carry)
            launch("segkit_scan", problem, self._tasks(problem))
        return y, carry

    def scan_backward(self, args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
        args, carry, dy = contiguous(args), carry.contiguous(), dy.contiguous()
        batch, channels, _ = args.u.shape
        blocks, _ = cut(args)
        out = {"d_u": torch.empty_like(args.u), "d_delta": torch.empty_like(args.u)}
        tiles = args.B.new_empty if args.u.numel() else args.B.new_zeros
        tiled = {name: tiles(blocks, *args.B.shape) for name in ("d_B", "d_C")}
        parts = {
            "d_A": args.A.new_zeros(batch, *args.A.shape, dtype=torch.float64),
            "d_D": args.A.new_zeros(batch, channels, dtype=torch.float64),
            "d_bias": args.A.new_zeros(batch, channels, dtype=torch.float64),
        }
        if args.u.numel():
            problem = self._problem(args, carry=carry, dy=dy, **out, **tiled, **parts)
            launch("segkit_scan_backward", problem, self._tasks(problem))
        d_B, d_C = (join(part) for part in tiled.values())
        d_A, d_D, d_bias = (add_up(part).to(args.u.dtype) for part in parts.values())
        none = d_D.new_empty(0)
        return ScanGrads(
            out["d_u"],
            out["d_delta"],
            d_A,
            d_B,
            d_C,
            none if args.D is None else d_D,
            none.clone() if args.bias is None else d_bias,
        )

    @staticmethod
    def _problem(args: ScanArgs, **more: Tensor) -> Scan:
        batch, channels, length = args.u.shape
        blocks, width = cut(args)
        named = dict(zip(args._fields[:7], args[:7], strict=True))
        return Scan.of(
            {**named, **more},
            batch=batch,
            channels=channels,
            length=length,
            state=args.A.shape[1],
            groups=args.B.shape[1],
            blocks=blocks,
            width=width,
            soft=args.softplus,
            reverse=args.reverse,
        )

    @staticmethod
    def _tasks(problem: Scan) -> int:
        return int(problem.batch * problem.groups * problem.blocks)

    def ss2d(self, args: SS2DArgs) -> tuple[Tensor, Tensor]:
        carry = args.x.new_empty(ss2d_carry_shape(args))
        if not args.x.numel():
            return args.x.new_empty(args.x.shape), carry
        args = SS2DArgs(*(item.contiguous() for item in args))
        planes = args.x.new_empty(2, *args.x.shape)
        problem = ss2d_problem(args, proj=project(args), planes=planes, carry=carry)
        launch("segkit_ss2d", problem, 2 * problem.batch * problem.blocks)
        return join(planes), carry

    def ss2d_backward(self, args: SS2DArgs, carry: Tensor, dy: Tensor) -> SS2DGrads:
        if not args.x.numel():
            return SS2DGrads(*(torch.zeros_like(item) for item in args))
        args = SS2DArgs(*(item.contiguous() for item in args))
        batch = args.x.shape[0]
        proj = project(args)
        planes = args.x.new_empty(2, *args.x.shape)
        d_proj = proj.new_empty(ss2d_cut(args)[0], *proj.shape)
        weights = (args.w_dt, args.bias, args.A, args.D)
        d_w_dt, d_bias, d_A, d_D = (
            item.new_zeros(batch, *item.shape, dtype=torch.float64) for item in weights
        )
        problem = ss2d_problem(
            args, proj=proj, planes=planes, carry=carry.contiguous(), dy=dy.contiguous(),
            d_proj=d_proj, d_w_dt=d_w_dt, d_bias=d_bias, d_A=d_A, d_D=d_D,
        )  # fmt: skip
        launch("segkit_ss2d_backward", problem, 2 * batch * problem.blocks)
        d_flat = join(d_proj).flatten(1)  # (B L, 4 (R + 2N))
        d_x = join(planes)
        product(d_flat, args.w_x.flatten(0, 1), d_x, add=True)
        d_w_x = outer(d_flat, args.x.view(-1, args.x.shape[-1])).view_as(args.w_x)
        rest = (add_up(part).to(args.x.dtype) for part in (d_w_dt, d_bias, d_A, d_D))
        return SS2DGrads(d_x, d_w_x, *rest)


def project(args: SS2DArgs) -> Tensor:
    """Steps, B and C of all four directions at every pixel: (B L, 4, R + 2N)."""
    pixels, weight = args.x.view(-1, args.x.shape[-1]), args.w_x.flatten(0, 1)
    out = pixels.new_empty(pixels.shape[0], weight.shape[0])
    product(pixels, weight.t(), out, add=False)
    return out.view(-1, *args.w_x.shape[:2])


def product(a: Tensor, w: Tensor, out: Tensor, add: bool) -> None:
    """out (rows, cols) = a w, or out += a w: every sum in one fixed order."""
    cols = w.shape[1]
    padded = F.pad(w, (0, -cols % 32)).contiguous()
    problem = Product.of(
        {"a": a, "w": padded, "out": out},
        rows=a.shape[0],
        inner=a.shape[1],
        cols=cols,
        padded=padded.shape[1],
        add=add,
    )
    launch("segkit_product", problem, -(-a.shape[0] // 64))


def outer(a: Tensor, b: Tensor) -> Tensor:
    """a (rows, m) transposed times b (rows, n): every sum in one fixed order."""
    (rows, m), n = a.shape, b.shape[1]
    parts = min(TASKS, -(-rows // 64))
    out = a.new_empty(parts, m, n, dtype=torch.float64)
    problem = Outer.of({"a": a, "b": b, "out": out}, rows=rows, m=m, n=n, parts=parts)
    launch("segkit_outer", problem, parts)
    return add_up(out).to(a.dtype)


def ss2d_problem(args: SS2DArgs, **more: Tensor) -> SS2D:
    """The struct of one call."""
    batch, height, width, channels = args.x.shape
    blocks, block_width = ss2d_cut(args)
    named = {"x": args.x, "w_dt": args.w_dt, "bias": args.bias, "A": args.A, "D": args.D}
    return SS2D.of(
        {**named, **more},
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        state=args.A.shape[1],
        rank=args.w_dt.shape[2],
        blocks=blocks,
        block_width=block_width,
    )


def ss2d_cut(args: SS2DArgs) -> tuple[int, int]:
    """(blocks, channels of a block): a function of the problem alone."""
    channels = args.x.shape[-1]
    wanted = max(1, TASKS // (2 * args.x.shape[0]))
    width = min(max(WIDTH, -(-channels // wanted)), 4 * WIDTH, channels)
    return -(-channels // width), width


def contiguous(args: ScanArgs) -> ScanArgs:
    """The same scan on tensors without gaps."""
    solid = [item if item is None else item.contiguous() for item in args[:7]]
    return ScanArgs._make([*solid, *args[7:]])


def cut(args: ScanArgs) -> tuple[int, int]:
    """(blocks, channels of a block) of each group: a function of the problem alone."""
    groups, batch = args.B.shape[1], args.u.shape[0]
    size = args.u.shape[1] // groups
    wanted = max(1, TASKS // max(1, batch * groups))
    width = max(1, min(size, max(WIDTH, -(-size // wanted))))
    return -(-size // width), width


def make() -> NativeKernels:
    """The kernels of the backend `native`, if the library is there."""
    if native.library() is None:
        raise SegkitError("no C kernels", native.reason())
    return NativeKernels()
