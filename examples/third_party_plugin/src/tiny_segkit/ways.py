"""What the plugin values of this distribution make; imported when it is needed."""

import numpy as np


def make_centre_shift():
    """The distance of the centres of two masks; NaN where one is empty."""

    def shift(prediction, truth):
        if not prediction.any() or not truth.any():
            return float("nan")
        ours, theirs = (np.argwhere(mask).mean(0) for mask in (prediction, truth))
        return float(np.hypot(*(ours - theirs)))

    return shift


def make_rmsprop(groups, settings):
    """`settings` is the recipe's section `optim`."""
    import torch

    return torch.optim.RMSprop(groups, lr=settings.lr, momentum=settings.momentum)


def halved(settings, lr, epochs, epoch):
    """A closed form: an epoch has its rate, whatever came before."""
    return lr * 0.5 ** (4 * epoch // epochs)


def make_mirror():
    """A policy of segkit's own operations."""
    from segkit.data.augmenting.operations import FlipX
    from segkit.data.augmenting.policy import Policy

    return Policy("mirror", (FlipX(),))


def epochs_of(facts):
    """Facts are the run's recipe, summary, environment and cost as plain data."""
    return facts["recipe"].get("train", {}).get("epochs")
