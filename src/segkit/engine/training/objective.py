"""The loss of a recipe: named terms with weights, deep supervision, class weights, soft borders.

A term is any loss plugin, `(logits, mask) -> scalar`; what is added here works with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit import plugins
from segkit.api import resolve
from segkit.build import loss_config
from segkit.errors import UsageError
from segkit.recipe import DistilRecipe, LossRecipe

LossFunction = Callable[[Tensor, Tensor], Tensor]


def make_loss(name: str, config: dict[str, Any] | None = None) -> LossFunction:
    """One loss plugin with its settings."""
    loss: LossFunction = resolve(plugins.get("losses", name).make)(loss_config(name, config))
    return loss


class Outputs(nn.Module):
    """The network as training sees it: a tuple of all supervised outputs, the main one first."""

    def __init__(self, network: nn.Module, deep: bool):
        super().__init__()
        if deep and not hasattr(network, "forward_aux"):
            raise UsageError(
                "loss.aux_weights asks for several outputs",
                f"{type(network).__name__} has one",
                "Leave loss.aux_weights out.",
            )
        self.network, self.deep = network, deep

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.deep:
            outputs: tuple[Tensor, ...] = self.network.forward_aux(image)  # type: ignore[operator]
            return outputs
        return (self.network(image),)


class Objective:
    """The weighted sum over terms and outputs; a teacher's answer has its share of it."""

    def __init__(
        self,
        recipe: LossRecipe,
        usual: Sequence[float] = (),
        distil: DistilRecipe = DistilRecipe(),
    ):
        """`usual`: the network's own weights for its outputs, where the recipe gives none."""
        self.recipe, self.distil = recipe, distil
        self.weights = recipe.aux_weights or tuple(usual)
        extra = [(float(t.get("weight", 1.0)), _made(t)) for t in recipe.extra]
        self.terms = [(recipe.weight, make_loss(recipe.name, recipe.config)), *extra]
        self.deep = bool(self.weights)

    def __call__(
        self, outputs: Sequence[Tensor], mask: Tensor, taught: Tensor | None = None
    ) -> Tensor:
        """The loss of all outputs; `taught` are a teacher's logits for the main one."""
        own = self._own(outputs, mask)
        if taught is None:
            return own
        soft = soft_difference(outputs[0], taught, self.distil.temperature)
        return (1 - self.distil.weight) * own + self.distil.weight * soft

    def _own(self, outputs: Sequence[Tensor], mask: Tensor) -> Tensor:
        weights = self.weights or (1.0,)
        if len(weights) != len(outputs):
            raise UsageError(
                f"loss.aux_weights has {len(weights)} items", f"the network gives {len(outputs)}"
            )
        pairs = zip(weights, outputs, strict=True)
        return torch.stack([w * self.one(out, mask) for w, out in pairs if w]).sum()

    def one(self, logits: Tensor, mask: Tensor) -> Tensor:
        """All terms on one output, brought to the size of its target."""
        logits, mask = self._same_size(logits, mask)
        if self.recipe.class_weights:
            logits = weigh_gradient(logits, mask, self.recipe.class_weights)
        targets = soft_border(mask, self.recipe.smooth_border)
        sums = [w * term(logits, target) for w, term in self.terms for target in targets]
        return torch.stack(sums).sum() / len(targets)

    def _same_size(self, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if logits.shape[-2:] == mask.shape[-2:]:
            return logits, mask
        if self.recipe.aux_resize == "target":
            height, width, classes = logits.shape[-2], logits.shape[-1], logits.shape[1]
            return logits, shrink_mask(mask, (height, width), classes)
        size = mask.shape[-2:]
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False), mask


def _made(term: dict[str, Any]) -> LossFunction:
    return make_loss(term["name"], term.get("config"))


def soft_difference(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """How far an answer is from a teacher's, both softened: mean divergence per pixel (in nats).

    Times T², so that its gradient keeps its size whatever the temperature (Hinton et al. 2015).
    """
    if logits.shape[1] == 1:  # one logit stands for two, the first of them 0
        logits, taught = (torch.cat([torch.zeros_like(z), z], 1) for z in (logits, taught))
    ours, theirs = ((z / temperature).log_softmax(1) for z in (logits, taught))
    apart = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
    return temperature**2 * apart.mean()


def shrink_mask(mask: Tensor, size: tuple[int, int], classes: int) -> Tensor:
    """A mask at a smaller size: shares by area, then at least half (or the largest class)."""
    if classes <= 2:
        share = F.adaptive_avg_pool2d(mask.unsqueeze(1).float(), size)
        return (share[:, 0] >= 0.5).long()
    shares = F.adaptive_avg_pool2d(F.one_hot(mask, classes).movedim(-1, 1).float(), size)
    return shares.argmax(1)


def soft_border(mask: Tensor, radius: int) -> list[Tensor]:
    """The mask and, for a radius, its shifts in four directions: their mean is a soft border.

    A loss that is linear in its target (cross entropy) sees exactly the averaged target.
    """
    if not radius:
        return [mask]
    height, width = mask.shape[-2:]
    padded = F.pad(mask.unsqueeze(1).float(), [radius] * 4, mode="replicate")[:, 0].to(mask.dtype)
    corners = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    starts = [(y * radius, x * radius) for y, x in corners]
    return [padded[:, y : y + height, x : x + width] for y, x in starts]


def weigh_gradient(logits: Tensor, mask: Tensor, weights: Sequence[float]) -> Tensor:
    """The same logits; on the way back each pixel's gradient is scaled by its true class's weight.

    For cross entropy this is class weighting as usual; it works with every other loss too.
    """
    scale = logits.new_tensor(weights)[mask].unsqueeze(1)
    return logits * scale + (logits * (1 - scale)).detach()
