"""The contract of an architecture, checked by running it on small pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from segkit import build
from segkit.api import Architecture, resolve
from segkit.testing.checks import Check, Outcome, expect, run_checks

SIZES = ((1, 1), (65, 47), (64, 96), (50, 33))  # odd, non-square, no multiple of anything


def check_architecture(architecture: str | Architecture, config: Any = None) -> Iterator[Outcome]:
    """All checks of one network, with its default config or the one given."""
    value = build.architecture(architecture) if isinstance(architecture, str) else architecture
    suite = Suite(value, config if config is not None else value.config())
    absent = build.missing(value)
    if absent:
        return iter([Outcome(value.name, f"left out: it needs {', '.join(absent)}", True)])
    return run_checks(value.name, suite.checks())


@dataclasses.dataclass
class Suite:
    """The checks of one network at one config."""

    value: Architecture
    config: Any

    def checks(self) -> list[Check]:
        """Title and function of each check, cheap ones first."""
        return [
            ("the config has in_channels and num_classes", self.check_config),
            ("its recipes parse", self.check_recipes),
            ("the parameter count is the stated one", self.check_count),
            ("logits have the input's size", self.check_shapes),
            ("two evaluations agree to the bit", self.check_determinism),
            ("weights survive a round trip", self.check_round_trip),
            ("a batch of one trains", self.check_batch_of_one),
            ("every parameter gets a gradient", self.check_gradients),
            ("forward_aux begins with forward", self.check_aux),
        ]

    def network(self, seed: int = 0) -> nn.Module:
        """A freshly initialised network."""
        torch.manual_seed(seed)
        network: nn.Module = resolve(self.value.make)(self.config)
        return network

    def image(self, batch: int, size: tuple[int, int]) -> Tensor:
        """Random pictures in [0, 1]."""
        generator = torch.Generator().manual_seed(1)
        return torch.rand(batch, self.config.in_channels, *size, generator=generator)

    @property
    def train_size(self) -> tuple[int, int]:
        """The size of the training checks."""
        side = max(64, self.value.min_train_size)
        return self._only_size() or (side, side)

    def _only_size(self) -> tuple[int, int] | None:
        return self.value.fixed_size(self.config) if self.value.fixed_size else None

    def check_config(self) -> None:
        names = {item.name for item in dataclasses.fields(self.config)}
        expect({"in_channels", "num_classes"} <= names, f"fields are {sorted(names)}")
        frozen = type(self.config).__dataclass_params__.frozen
        expect(frozen, f"{type(self.config).__name__} is not frozen")

    def check_recipes(self) -> None:
        for recipe in self.value.recipes:
            build.resolve_recipe_of(self.value, recipe)

    def check_count(self) -> None:
        stated = self.value.params
        if stated is None or self.config != self.value.config():
            return
        counted = sum(p.numel() for p in self.network().parameters())
        expect(counted == stated, f"{counted:,} parameters, the plugin states {stated:,}")

    def check_shapes(self) -> None:
        network = self.network().eval()
        only = self._only_size()
        for size in (only,) if only else SIZES:
            logits = _run(network, self.image(1, size))
            wanted = (1, self.config.num_classes, *size)
            expect(tuple(logits.shape) == wanted, f"logits are {tuple(logits.shape)}, not {wanted}")
            expect(bool(logits.isfinite().all()), f"logits are not finite at {size[0]}x{size[1]}")

    def check_determinism(self) -> None:
        network = self.network().eval()
        image = self.image(2, self.train_size)
        expect(torch.equal(_run(network, image), _run(network, image)), "two passes differ")

    def check_round_trip(self) -> None:
        first, second = self.network(0).eval(), self.network(1).eval()
        copy = {key: tensor.clone() for key, tensor in first.state_dict().items()}
        second.load_state_dict(copy, strict=True)
        image = self.image(1, self.train_size)
        same = torch.equal(_run(first, image), _run(second, image))
        expect(same, "the same state_dict gives other logits: something is not stored in it")

    def check_batch_of_one(self) -> None:
        logits = self.network().train()(self.image(1, self.train_size))
        logits.float().square().mean().backward()
        expect(bool(logits.isfinite().all()), "logits are not finite in training mode")

    def check_gradients(self) -> None:
        dead = self.without_gradient(0)
        for seed in range(1, 8):  # a narrow ReLU can be dead at one start, not at all of them
            dead = [name for name in dead if name in self.without_gradient(seed)] if dead else dead
        expect(not dead, f"no or no finite gradient: {', '.join(dead[:5])}")

    def without_gradient(self, seed: int) -> list[str]:
        """The parameters that one training step of a fresh network leaves without a gradient."""
        network = self.network(seed).train()
        _wake(network)
        image = self.image(2, self.train_size)
        forward_aux: Any = getattr(network, "forward_aux", None)
        outputs = forward_aux(image) if forward_aux else (network(image),)
        generator = torch.Generator().manual_seed(2)
        # random weights per pixel: the plain sum after a batch norm has no gradient at all
        total = sum((o * torch.randn(o.shape, generator=generator)).sum() for o in outputs)
        total.backward()  # type: ignore[union-attr]
        trained = ((name, p) for name, p in network.named_parameters() if p.requires_grad)
        return [name for name, p in trained if not _learns(name, p)]

    def check_aux(self) -> None:
        network = self.network().eval()
        forward_aux: Any = getattr(network, "forward_aux", None)
        if forward_aux is None:
            return
        image = self.image(1, self.train_size)
        with torch.no_grad():
            outputs = forward_aux(image)
        expect(isinstance(outputs, tuple), f"forward_aux returns a {type(outputs).__name__}")
        expect(
            torch.allclose(outputs[0], _run(network, image), rtol=1e-5, atol=1e-6), "they differ"
        )


def _wake(network: nn.Module) -> None:
    """Weights that start at zero (a residual block that starts as its shortcut) hide what lies
    before them for one step.
    """
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)


def _learns(name: str, parameter: nn.Parameter) -> bool:
    """A finite gradient that is not zero; a bias before a batch norm may have exactly zero."""
    gradient = parameter.grad
    if gradient is None or not bool(gradient.isfinite().all()):
        return False
    return bool(gradient.any()) or name.endswith("bias")


@torch.no_grad()
def _run(network: nn.Module, image: Tensor) -> Tensor:
    output = network(image)
    expect(isinstance(output, Tensor), f"forward returns a {type(output).__name__}, not a tensor")
    logits: Tensor = output
    return logits
