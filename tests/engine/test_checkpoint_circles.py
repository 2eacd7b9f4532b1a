"""A checkpoint that contains itself is one line, and weights beside the circle are found."""

import pytest
import torch

from segkit.engine.checkpoints import read_checkpoint
from segkit.errors import SegkitError


def saved(path, beside):
    circle = dict(beside)
    circle["state_dict"] = circle
    torch.save(circle, path)
    return path


def test_a_circle_of_nothing_is_refused(tmp_path):
    with pytest.raises(SegkitError, match="holds no tensors by name"):
        read_checkpoint(saved(tmp_path / "x.pt", {}))


def test_weights_in_a_circle_are_found(tmp_path):
    weights = {"a": torch.ones(2), "b": torch.zeros(3)}
    assert set(read_checkpoint(saved(tmp_path / "x.pt", weights))) == {"a", "b"}
