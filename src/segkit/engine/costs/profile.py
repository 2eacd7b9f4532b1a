"""What a network costs: counted, measured on this machine, and as published, side by side.

The result of `profile` is the document of `segkit profile --json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from segkit import build
from segkit.api import Architecture, resolve
from segkit.engine.costs.counting import Count, count
from segkit.engine.costs.meter import SECONDS, Meter, backend_name
from segkit.engine.costs.stored import published
from segkit.engine.environment import versions
from segkit.engine.outline import outline
from segkit.engine.predicting.segmenter import pick_device
from segkit.errors import UsageError


@dataclass(frozen=True)
class ProfileSettings:
    """What to profile. `size` None is the paper's."""

    size: tuple[int, int] | None = None
    batch: int = 1
    device: str = "auto"
    model: Mapping[str, Any] = field(default_factory=dict)
    measure: bool = True
    tree: bool = False
    runs: int = 20  # latency runs at most
    seconds: float = SECONDS  # for what is measured


def profile(name: str, settings: ProfileSettings = ProfileSettings()) -> dict[str, Any]:
    """The costs of one architecture at one size."""
    value = build.architecture(name)
    config = build.model_config(name, dict(settings.model))
    document, _ = counted(value, config, settings)
    if settings.measure:
        document |= measured(name, config, document, settings)
    return document


def counted(
    value: Architecture, config: Any, settings: ProfileSettings
) -> tuple[dict[str, Any], nn.Module]:
    """The document without what is measured, and the network that was counted."""
    shape = (settings.batch, config.in_channels, *input_size(value, config, settings.size))
    network = quick(value, config)
    found = count(network, shape)
    document = architecture_facts(value, config, network) | costs(value, network, found, shape)
    document |= {"latency_ms": None, "peak_memory_mb": None}
    device = pick_device(settings.device)
    document["backend"] = backend_name(device) if found.scan_ops else None
    if settings.tree:
        document["tree"] = tree(network, found)
    document["versions"] = versions()
    return document, network


def quick(value: Architecture, config: Any) -> nn.Module:
    """The network without numbers, which is quick; with them where a part of it needs them."""
    try:
        return outline(value.name, config)
    except (NotImplementedError, RuntimeError):  # an initialisation that reads its numbers
        pass
    return build.build(value.name, config).eval()


def measured(
    name: str, config: Any, document: dict[str, Any], settings: ProfileSettings
) -> dict[str, Any]:
    """Time, memory and energy here, within about `settings.seconds`."""
    device = pick_device(settings.device)
    meter = Meter(
        build.build(name, config), document["input"], device, settings.runs, settings.seconds
    )
    return meter.measure()


def profile_many(
    names: Sequence[str], sizes: Sequence[tuple[int, int] | None], settings: ProfileSettings
) -> Iterator[dict[str, Any]]:
    """All architectures at all sizes, one by one."""
    for name in names:
        for size in sizes or [None]:
            yield profile(name, replace(settings, size=size))


def measure_many(documents: Sequence[dict[str, Any]], settings: ProfileSettings) -> Iterator[None]:
    """Fill in what is measured, document by document."""
    for document in documents:
        config = build.model_config(document["architecture"], dict(settings.model))
        document |= measured(document["architecture"], config, document, settings)
        yield


def input_size(value: Architecture, config: Any, asked: tuple[int, int] | None) -> tuple[int, int]:
    """The asked size, or the network's own; a network of one size refuses any other."""
    only = value.fixed_size(config) if value.fixed_size else None
    if asked and only and tuple(asked) != tuple(only):
        raise UsageError(
            f"{value.name} takes {only[0]}x{only[1]} only in this variant",
            f"--size is {asked[0]}x{asked[1]}",
        )
    return asked or only or value.size


def architecture_facts(value: Architecture, config: Any, network: nn.Module) -> dict[str, Any]:
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
