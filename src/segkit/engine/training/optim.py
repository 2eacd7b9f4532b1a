"""The optimizer of a recipe: what decays, what is frozen at first, and averaged weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from segkit import plugins
from segkit.api import Optimizer, resolve
from segkit.errors import UsageError
from segkit.recipe import OptimRecipe, TrainRecipe


def make_optimizer(
    network: nn.Module, recipe: OptimRecipe, no_decay: Iterable[str] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters."""
    value: Optimizer = plugins.get("optimizers", recipe.name)
    made: torch.optim.Optimizer = resolve(value.make)(
        parameter_groups(network, recipe, no_decay), recipe
    )
    return made


def make_adamw(groups: list[dict[str, Any]], settings: OptimRecipe) -> torch.optim.Optimizer:
    """AdamW, in the implementation that fuses the update."""
    return torch.optim.AdamW(
        groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=_fused(groups)
    )


def make_adam(groups: list[dict[str, Any]], settings: OptimRecipe) -> torch.optim.Optimizer:
    """Adam with the decay in the gradient, fused."""
    return torch.optim.Adam(
        groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=_fused(groups)
    )


def make_sgd(groups: list[dict[str, Any]], settings: OptimRecipe) -> torch.optim.Optimizer:
    """SGD with momentum, Nesterov's if the recipe says so, fused."""
    return torch.optim.SGD(
        groups,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=_fused(groups),
    )


def _fused(groups: list[dict[str, Any]]) -> bool | None:
    """Whether the fused update knows the devices of all parameters."""
    kinds = {parameter.device.type for group in groups for parameter in group["params"]}
    return kinds <= {"cpu", "cuda"} or None


def parameter_groups(
    network: nn.Module, recipe: OptimRecipe, no_decay: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """All parameters with decay, or (decay = "weights") norms, biases and named ones without."""
    named = list(network.named_parameters())
    if recipe.decay == "all":
        return [{"params": [p for _, p in named], "weight_decay": recipe.weight_decay}]
    spared = set(no_decay)
    plain = [p for name, p in named if _is_spared(name, p, spared)]
    rest = [p for name, p in named if not _is_spared(name, p, spared)]
    return [
        {"params": rest, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _is_spared(name: str, parameter: Tensor, spared: set[str]) -> bool:
    return parameter.ndim <= 1 or name.rpartition(".")[2] in spared


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set one learning rate in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class Freezer:
    """Freezes parameters under a prefix for the first epochs; `full` freezes statistics too."""

    def __init__(self, network: nn.Module, recipe: TrainRecipe):
        self.network, self.recipe = network, recipe
        prefix = recipe.freeze
        self.parameters = [
            p for name, p in network.named_parameters() if prefix and _below(name, prefix)
        ]
        if prefix and not self.parameters:
            tops = ", ".join(name for name, _ in network.named_children())
            raise UsageError(f"train.freeze is '{prefix}'", f"no such part; there are: {tops}")

    def rests(self, epoch: int) -> bool:
        """Whether the part is frozen in this epoch (from 0)."""
        return bool(self.parameters) and epoch < self.recipe.freeze_epochs

    def apply(self, epoch: int) -> None:
        """Set `requires_grad` (for `full`, eval mode too) for an epoch. Call after `.train()`."""
        rests = self.rests(epoch)
        for parameter in self.parameters:
            parameter.requires_grad_(not rests)
        if rests and self.recipe.freeze_mode == "full":
            for name, module in self.network.named_modules():
                if _below(name, self.recipe.freeze):
                    module.eval()


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix.rstrip(".") + ".")


class Average:
    """An exponential moving average of the weights and of batch-norm statistics.

    It starts short, (1 + n) / (10 + n) after n updates, and forgets the random weights of the start
    within an epoch; counters are copied.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.values = {name: value.detach().clone() for name, value in _state(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """average ← decay · average + (1 − decay) · weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in _state(network).items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"values": self.values, "updates": self.updates}

    def resume(self, kept: dict[str, Any]) -> None:
        """Go on from a checkpoint; older ones hold the values alone, long after their start."""
        self.values = kept.get("values", kept)
        self.updates = kept.get("updates", 10**9)

    @torch.no_grad()
    def swap(self, network: nn.Module) -> None:
        """Exchange the network's values with the averages; twice restores both."""
        for name, value in _state(network).items():
            kept = value.detach().clone()
            value.data.copy_(self.values[name])
            self.values[name].copy_(kept)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.named_parameters()) | dict(network.named_buffers())
