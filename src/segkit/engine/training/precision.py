"""Number formats and layouts: mixed precision, TF32, channels-last, compilation, memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from segkit.data import memory

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose(amp: str, device: torch.device) -> torch.dtype | None:
    """The reduced format, or None. `auto`: bf16 (else fp16) on a GPU, none on a CPU."""
    if amp != "auto":
        return HALF.get(amp)
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass; float32 islands are the networks' own."""
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def use_tf32(on: bool) -> None:
    """TF32 for matrix products and convolutions on NVIDIA GPUs (recorded in environment.json)."""
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def describe_precision(dtype: torch.dtype | None, device: torch.device) -> str:
    """The precision in words."""
    base = "tf32" if device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "fp32"
    names = {value: name for name, value in HALF.items()}
    return f"{names[dtype]} over {base}" if dtype else base


def lay_out(network: nn.Module, channels_last: bool) -> None:
    """The weights in channels-last order, if that is asked for."""
    if channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def in_memory_format(image: Tensor, channels_last: bool) -> Tensor:
    """An image in the order of the weights."""
    return image.contiguous(memory_format=torch.channels_last) if channels_last else image


def compiled(
    module: nn.Module, shape: tuple[int, ...], device: torch.device
) -> tuple[Callable[..., Any], str]:
    """The compiled module, or the module itself with the reason; tried on zeros first."""
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    random = torch.get_rng_state()
    try:
        fast = torch.compile(module)
        sum(output.sum() for output in fast(torch.zeros(shape, device=device))).backward()
    except RuntimeError as error:  # dynamo's and inductor's errors derive from it
        reason = str(error).strip().splitlines()[0][:200]
        return module, f"not compiled: {type(error).__name__}: {reason}"
    finally:
        module.load_state_dict(kept)
        module.zero_grad(set_to_none=True)
        torch.set_rng_state(random)
    return fast, "compiled"


def memory_mb(device: torch.device) -> float:
    """Peak memory: of the device, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return memory.highest() / 2**20
