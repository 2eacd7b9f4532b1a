"""What a network costs: counted, measured on this machine, and as published, side by side.

The result of `profile` is the document of `segkit profile --json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from segkit import build
from segkit.api import Architecture, resolve
from segkit.engine.costs.counting import Count, count
from segkit.engine.costs.meter import Meter, backend_name
from segkit.engine.environment import versions
from segkit.engine.predicting.segmenter import pick_device
from segkit.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What to profile. `size` None is the paper's."""

    size: tuple[int, int] | None = None
    batch: int = 1
    device: str = "auto"
    model: Mapping[str, Any] = field(default_factory=dict)
    measure: bool = True
    tree: bool = False
    runs: int = 20  # latency runs at most


def profile(name: str, settings: Settings = Settings()) -> dict[str, Any]:
    """The costs of one architecture at one size."""
    value = build.architecture(name)
    config = build.model_config(name, dict(settings.model))
    shape = (settings.batch, config.in_channels, *input_size(value, config, settings.size))
    device = pick_device(settings.device)
    network = build.build(name, config).eval()
    counted = count(network, shape)
    document = describe(value, config, network) | costs(value, network, counted, shape)
    document |= {"latency_ms": None, "peak_memory_mb": None}
    if settings.measure:
        document |= Meter(network, shape, device, settings.runs).measure()
    document["backend"] = backend_name(device) if counted.scan_ops else None
    if settings.tree:
        document["tree"] = tree(network, counted)
    document["versions"] = versions()
    return document


def profile_many(
    names: Sequence[str], sizes: Sequence[tuple[int, int] | None], settings: Settings
) -> Iterator[dict[str, Any]]:
    """All architectures at all sizes, one by one."""
    for name in names:
        for size in sizes or [None]:
            yield profile(name, replace(settings, size=size))


def input_size(value: Architecture, config: Any, asked: tuple[int, int] | None) -> tuple[int, int]:
    """The asked size, or the network's own; a network of one size refuses any other."""
    only = value.fixed_size(config) if value.fixed_size else None
    if asked and only and tuple(asked) != tuple(only):
        raise UsageError(
            f"{value.name} takes {only[0]}x{only[1]} only in this variant",
            f"--size is {asked[0]}x{asked[1]}",
        )
    return asked or only or value.size


def describe(value: Architecture, config: Any, network: nn.Module) -> dict[str, Any]:
    """What the network is, and how big."""
    numbers = [*network.parameters(), *network.buffers()]
    return {
        "architecture": value.name,
        "config": build.config_dict(config),
        "input": None,
        "params": sum(p.numel() for p in network.parameters()),
        "params_trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "weights_mb": round(sum(item.numel() * item.element_size() for item in numbers) / 1e6, 3),
    }


def costs(
    value: Architecture, network: nn.Module, counted: Count, shape: Sequence[int]
) -> dict[str, Any]:
    """The operations of one forward pass: exact, and the same on every machine."""
    return {
        "input": list(shape),
        "macs": counted.macs,
        "macs_by_kind": counted.by_kind,
        "scan_ops": counted.scan_ops,
        "flops": counted.flops,
        "activations": counted.activations,
        "elements": counted.elements,
        "uncounted_ops": list(counted.uncounted),
        "uncounted_calls": counted.uncounted,
        "paper_counter": paper_count(value, network, shape),
        "published": published(value),
    }


def paper_count(
    value: Architecture, network: nn.Module, shape: Sequence[int]
) -> dict[str, Any] | None:
    """The figure that the paper's own counter gives for one image of this size."""
    if value.paper_counter is None:
        return None
    name, counter = value.paper_counter
    return {"name": name, "value": int(resolve(counter)(network, tuple(shape[-2:])))}


def published(value: Architecture) -> dict[str, Any] | None:
    """The paper's own figures, with their source; never ours."""
    figures = asdict(value.published)
    if figures["params_m"] is None and figures["gflops"] is None:
        return None
    return figures


def tree(network: nn.Module, counted: Count) -> list[dict[str, Any]]:
    """One row per module that computes or has parameters, in the order of definition."""
    rows = []
    for name, module in network.named_modules():
        tally = counted.modules.get(name)
        params = sum(p.numel() for p in module.parameters())
        if tally is None and not params:
            continue
        rows.append(
            {
                "name": name,
                "type": type(module).__name__,
                "depth": name.count(".") + 1 if name else 0,
                "params": params,
                "macs": tally.macs if tally else 0,
                "scan_ops": tally.scan_ops if tally else 0,
                "flops": tally.flops if tally else 0,
            }
        )
    return rows
