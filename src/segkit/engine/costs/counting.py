"""Count what a network computes, operator by operator, below autograd: nothing hides from here.

The forward pass runs on shapes alone where every operator can (fake tensors), else on real numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from segkit.engine.costs.rules import Cost, base_name, cost_of, is_known
from segkit.ops import using_backend

COUNTED = ("conv", "conv_transposed", "linear", "matmul", "attention", "scan")


@dataclass
class Tally:
    """Running sums of one module, its children included."""

    macs: int = 0
    scan_ops: int = 0
    scan_flops: int = 0

    def add(self, cost: Cost) -> None:
        """Add the cost of one operator call."""
        self.macs += cost.macs
        self.scan_ops += cost.scan_ops
        self.scan_flops += cost.scan_flops

    @property
    def flops(self) -> int:
        """2 per multiply-add, and the scan's own count."""
        return 2 * self.macs + self.scan_flops


@dataclass(frozen=True)
class Count:
    """What one forward pass computes. `flops` = 2·macs + 9·scan_ops + scan_ops/N."""

    macs: int
    scan_ops: int
    flops: int
    uncounted: dict[str, int]  # operator -> calls: nobody knows what they cost
    by_kind: dict[
        str, int
    ]  # MACs of conv, conv_transposed, linear, matmul, attention, scan (projections)
    elements: dict[str, int]  # elements written by norm, pointwise, pool, resize, softmax, reduce
    activations: int  # elements written by the operators that have MACs or scan updates
    modules: dict[str, Tally] = field(repr=False, default_factory=dict)  # dotted name -> sums


def count(module: nn.Module, input_size: Sequence[int], method: str = "forward") -> Count:
    """Count `method` for an input of (H, W), (C, H, W) or (B, C, H, W), in eval mode."""
    shape = full_shape(input_size)
    parameter = next(module.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    dtype = parameter.dtype if parameter is not None else torch.float32
    was_training = module.training
    module.eval()
    try:
        with using_backend("torch"):  # scans as one operator each, whatever a caller has forced
            return _count(module, method, shape, device, dtype)
    finally:
        module.train(was_training)


def full_shape(input_size: Sequence[int]) -> tuple[int, ...]:
    """(B, C, H, W); what is missing is a batch of 1 and 3 channels."""
    size = tuple(int(item) for item in input_size)
    return (1, 3, 1, 1)[: 4 - len(size)] + size


def _count(
    module: nn.Module, method: str, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> Count:
    if device.type == "meta":  # shapes alone are quick: fake tensors load a compiler first
        with suppress(RuntimeError):
            return _run(module, method, torch.empty(shape, device=device, dtype=dtype))
    from torch._subclasses.fake_tensor import FakeTensorMode

    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _run(module, method, torch.empty(shape, device=device, dtype=dtype))
    except RuntimeError:  # an operator that has no shape rule: count it on real numbers
        return _run(module, method, torch.rand(shape, device=device, dtype=dtype))


def _run(module: nn.Module, method: str, image: Tensor) -> Count:
    mode = _Counting()
    forward: Callable[[Tensor], Any] = getattr(module, method)
    with torch.inference_mode(), _tracked(module, mode.stack), mode:
        forward(image)
    total = mode.modules[""]
    return Count(
        macs=total.macs,
        scan_ops=total.scan_ops,
        flops=total.flops,
        uncounted=dict(sorted(mode.uncounted.items())),
        by_kind={kind: mode.by_kind[kind] for kind in COUNTED if mode.by_kind[kind]},
        elements=dict(sorted(mode.elements.items())),
        activations=mode.activations,
        modules=dict(mode.modules),
    )


@contextmanager
def _tracked(module: nn.Module, stack: list[str]) -> Iterator[None]:
    """Keep in `stack` the names of the modules whose forward is running, the root ("") first."""
    with ExitStack() as hooks:
        for name, child in module.named_modules():
            if not name:
                continue
            entered = child.register_forward_pre_hook(lambda *_, name=name: stack.append(name))
            left = child.register_forward_hook(lambda *_: stack.pop() and None, always_call=True)
            hooks.callback(entered.remove)
            hooks.callback(left.remove)
        yield


class _Counting(TorchDispatchMode):
    """Sums the cost of every operator that reaches the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [""]
        self.modules: dict[str, Tally] = defaultdict(Tally)
        self.modules[""] = Tally()
        self.by_kind: Counter[str] = Counter()
        self.elements: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()
        self.activations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            self.uncounted[func.name()] += 1
            return func(*args, **kwargs)
        if func.namespace != "prim" and not is_known(func):  # prim:: ones have no decomposition
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        self._note(func, args, kwargs, result)
        return result

    def _note(self, func: Any, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        if func.namespace == "prim":  # questions such as "which device?", no arithmetic
            return
        cost = cost_of(func, args, kwargs, result)
        if cost is None:
            self.uncounted[base_name(func)] += 1
            return
        for name in {part for running in self.stack for part in _with_parents(running)}:
            self.modules[name].add(cost)
        self.by_kind[cost.kind] += cost.macs
        written = _elements(result)
        if cost.kind in COUNTED:
            self.activations += written
        elif cost.kind != "free":
            self.elements[cost.kind] += written


def _with_parents(name: str) -> Iterator[str]:
    """ "a", "a.b" and "a.b.c" of "a.b.c": a list of blocks has the costs of its blocks."""
    yield name
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _elements(result: Any) -> int:
    first = result[0] if isinstance(result, tuple | list) and result else result
    return first.numel() if isinstance(first, Tensor) else 0
