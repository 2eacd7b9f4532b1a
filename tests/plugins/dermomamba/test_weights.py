"""An original checkpoint of DermoMamba becomes a run, and comes back with the same bits."""

import pytest
import torch

from segkit import build
from segkit.engine.runs import open_run
from segkit.engine.weights import export_weights, import_weights
from segkit.errors import SegkitError
from segkit_dermomamba.weights import LAYOUT


@pytest.fixture
def checkpoint(tmp_path, fill_state):
    """A training checkpoint of the released code, for any grid."""

    def make(grid=(6, 8), drop=()):
        network = build.create("dermomamba", grid=list(grid))
        state = {f"model.{k}": v.clone() for k, v in fill_state(network).items() if k not in drop}
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        path = tmp_path / "original.ckpt"
        torch.save({"state_dict": state, "epoch": 7}, path)
        return path, state

    return make


@pytest.mark.parametrize("grid", [(6, 8), (2, 2)])
def test_in_and_out_again(checkpoint, tmp_path, grid):
    path, state = checkpoint(grid)
    imported = import_weights("dermomamba", path, tmp_path / "run")
    assert imported.report.strict
    assert imported.report.fitting == 386
    run = open_run(tmp_path / "run")
    assert tuple(run.recipe.model["grid"]) == grid
    loaded = LAYOUT.to_original(run.load_model().state_dict())
    assert all(torch.equal(loaded[k.removeprefix("model.")], v) for k, v in state.items())
    written = export_weights(run, tmp_path / "back.pth")
    back = torch.load(written, weights_only=True)
    assert {k.removeprefix("model.") for k in state} == set(back)
    assert all(torch.equal(back[k.removeprefix("model.")], v) for k, v in state.items())


def test_a_missing_entry_is_named_and_nothing_is_written(checkpoint, tmp_path):
    path, _ = checkpoint(drop=("e2.pw.weight",))
    with pytest.raises(SegkitError, match=r"missing: encoder\.1\.conv\.weight"):
        import_weights("dermomamba", path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
