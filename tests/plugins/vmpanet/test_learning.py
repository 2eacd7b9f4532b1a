"""VMPANet learns: the check of its spec on drawn ellipses."""

import pytest
import torch

from segkit import build
from segkit.engine.training.objective import make_loss


def ellipses(batch, side, generator):
    """Dark ellipses of contrast 0.4 to 0.6 on a background of 0.6 to 0.8, noise 0.1."""

    def between(low, high):
        return low + (high - low) * torch.rand(batch, 1, 1, generator=generator)

    axis = torch.arange(side) / side
    row, column = axis[:, None] - between(0.3, 0.7), axis - between(0.3, 0.7)
    inside = (row / between(0.1, 0.3)) ** 2 + (column / between(0.1, 0.3)) ** 2 < 1
    plain = between(0.6, 0.8) - between(0.4, 0.6) * inside
    noise = 0.1 * torch.randn(batch, 3, side, side, generator=generator)
    return (plain[:, None] + noise).clamp(0, 1), inside.long()


def learn(network, steps, generator):
    """The published recipe's optimizer on fresh pictures; the loss of every step."""
    loss, losses = make_loss("bce_dice"), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(steps):
        image, mask = ellipses(4, 64, generator)
        total = torch.stack([loss(out, mask) for out in network.forward_aux(image)]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return losses


@pytest.mark.slow
def test_it_learns_ellipses():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = build.create("vmpanet").train()
    losses = learn(network, 100, generator)
    assert losses[80] < 0.6 * losses[0]
    image, mask = ellipses(8, 64, generator)
    with torch.no_grad():
        prediction = (network.eval()(image)[:, 0] > 0).long()
    both = (prediction * mask).sum((1, 2))
    dice = 2 * both / (prediction.sum((1, 2)) + mask.sum((1, 2)))
    assert dice.mean() > 0.85
