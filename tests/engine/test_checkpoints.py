"""Checkpoint files as people have them: wrapped, prefixed, halved, broken."""

import argparse
import json

import numpy as np
import pytest
import torch

import segkit
from segkit import cli
from segkit.engine.checkpoints import open_checkpoint
from segkit.engine.fitting import layouts
from segkit.engine.runs import open_run
from segkit.engine.weights import import_weights
from segkit.errors import SegkitError

NETWORKS = ("egeunet", "unext_s", "mkunet_t")


def released(name):
    torch.manual_seed(0)
    return layouts(name)["original"].to_original(segkit.create(name).state_dict())


def under(prefix):
    return lambda state: {f"{prefix}{key}": value for key, value in state.items()}


def counted(state):
    """As thop leaves it."""
    heads = {key.rpartition(".")[0] for key in state}
    extra = {f"{head}.total_ops": torch.zeros(1, dtype=torch.float64) for head in heads}
    return {**state, **extra, "total_ops": torch.zeros(1), "total_params": torch.zeros(1)}


def training(state):
    """As a training program saves it, with an optimizer and NumPy numbers."""
    moments = {0: {"exp_avg": torch.zeros(3), "step": torch.tensor(4.0)}}
    return {
        "epoch": 7,
        "best": np.float64(0.9),
        "args": argparse.Namespace(lr=1e-3),
        "optimizer": {"state": moments, "param_groups": [{"lr": 1e-3}]},
        "model_state_dict": state,
    }


WRAPPINGS = {
    "state_dict": lambda state: {"state_dict": under("model.")(state), "epoch": 3},
    "model": lambda state: {"model": state, "ema": {k: v * 0 for k, v in state.items()}},
    "net": lambda state: {"net": state, "acc": 0.5},
    "ema": lambda state: {"ema": {"shadow": under("module.")(state)}},
    "state_dict_ema": lambda state: {"state_dict_ema": state},
    "model_state_dict": training,
    "module.": under("module."),
    "_orig_mod.": under("_orig_mod."),
    "module._orig_mod.model.net.": under("module._orig_mod.model.net."),
    "thop": counted,
    "no counters": lambda s: {k: v for k, v in s.items() if not k.endswith("_tracked")},
    "half": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
    "swa": lambda s: {"n_averaged": torch.tensor(5), **under("module.")(s)},
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapped_files_import(name, wrapping, tmp_path):
    torch.save(WRAPPINGS[wrapping](released(name)), tmp_path / "a.pth")
    import_weights(name, tmp_path / "a.pth", tmp_path / "run")
    torch.manual_seed(0)
    wanted = segkit.create(name).state_dict()
    found = open_run(tmp_path / "run").load_model().state_dict()
    tolerance = 1e-3 if wrapping == "half" else 0.0
    for key, value in wanted.items():
        assert torch.allclose(found[key].double(), value.double(), atol=tolerance, rtol=tolerance)


def lines_of(name, file, tmp_path):
    return import_weights(name, file, tmp_path / "run").report.lines()


def test_what_was_taken_off_is_said(tmp_path):
    state = released("unext_s")
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    content = {"state_dict": under("module.")(counted(halves)), "state_dict_ema": state}
    torch.save(content, tmp_path / "a.pth")
    said = "\n".join(lines_of("unext_s", tmp_path / "a.pth", tmp_path))
    assert "several sets of weights: 'state_dict' was taken" in said
    assert "--take: state_dict_ema" in said
    assert "prefix 'module.' taken off" in said
    assert "torch.float16 widened to float32" in said
    assert "counters of a profiler" in said


def test_another_set_is_taken_by_name(tmp_path):
    state = released("unext_s")
    other = {k: v + 1 if v.is_floating_point() else v for k, v in state.items()}
    torch.save({"model": state, "ema": other}, tmp_path / "a.pth")
    assert open_checkpoint(tmp_path / "a.pth").taken == "model"
    averaged = open_checkpoint(tmp_path / "a.pth", "ema").state
    assert torch.equal(averaged["final.bias"], other["final.bias"])
    with pytest.raises(SegkitError, match="did you mean 'ema'"):
        open_checkpoint(tmp_path / "a.pth", "emma")


def test_settings_that_no_shape_shows_are_printed(tmp_path):
    from segkit_qtseg.layout import LAYOUTS

    small = {"width": 4, "heads": 4, "token_mlp_dim": 16, "blocks": (1, 1, 1)}
    state = LAYOUTS["original"].to_original(segkit.create("qtseg", **small).state_dict())
    torch.save(state, tmp_path / "four.pt")
    words = ("model.heads=8",)  # what the file does not tell, and what would be wrong silently
    done = import_weights("qtseg", tmp_path / "four.pt", tmp_path / "run", assignments=words)
    assert "heads=8" in done.report.untold
    assert not any(word.startswith(("width", "num_classes")) for word in done.report.untold)


class Pickled:
    """Something that is no tensor."""

    def __reduce__(self):
        return (print, ("run",))


def torch_file(content):
    return lambda path: torch.save(content, path)


def bytes_file(content):
    return lambda path: path.write_bytes(content)


def cut(path):
    torch.save(released("unext_s"), path)
    path.write_bytes(path.read_bytes()[:5000])


def with_nan(path):
    state = released("unext_s")
    state["final.bias"] = torch.full((1,), torch.nan)
    torch.save({"model": state}, path)


BROKEN = {
    "empty": (bytes_file(b""), "it is empty"),
    "page": (bytes_file(b"<!DOCTYPE html><html>sign in</html>"), "a web page"),
    "lfs": (bytes_file(b"version https://git-lfs.github.com/spec/v1\n"), "pointer of Git LFS"),
    "cut": (cut, "damaged, cut off"),
    "text": (bytes_file(b"hello, these are no weights at all"), "damaged, cut off"),
    "code": (torch_file({"model": Pickled()}), "Python objects"),
    "no tensors": (torch_file({"epoch": 3, "best": 0.5}), "no tensors by name"),
    "nan": (with_nan, "not finite"),
    "other": (torch_file({"layer.weight": torch.zeros(2, 2)}), "no checkpoint of unext_s"),
    "list": (torch_file([torch.zeros(2)]), "no tensors by name"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_line(kind, tmp_path, capsys):
    write, words = BROKEN[kind]
    write(tmp_path / "a.pth")
    out = tmp_path / "run"
    code = cli.run(["weights", "import", "unext_s", str(tmp_path / "a.pth"), "--out", str(out)])
    said = capsys.readouterr()
    assert code == 1
    assert words in " ".join(said.err.split())
    assert "\x1b" not in said.err
    assert "Traceback" not in said.err
    assert said.err.count("error:") == 1
    assert "run" not in said.out
    assert not out.exists()


def test_the_cure_for_a_pickle_that_one_trusts(tmp_path):
    """The two lines, followed as they stand."""
    torch.save(segkit.create("unext_s"), tmp_path / "a.pth")
    with pytest.raises(SegkitError) as caught:
        open_checkpoint(tmp_path / "a.pth")
    first, second = caught.value.cure.splitlines()
    assert first.startswith("If you trust it")
    c = torch.load(tmp_path / "a.pth", weights_only=False)
    assert "torch.save(c.state_dict()" in second
    torch.save(c.state_dict(), tmp_path / "weights.pth")
    import_weights("unext_s", tmp_path / "weights.pth", tmp_path / "run")


def test_json_says_what_was_done(tmp_path, capsys):
    torch.save(under("module.")(released("unext_s")), tmp_path / "a.pth")
    out = str(tmp_path / "run")
    words = ["weights", "import", "unext_s", str(tmp_path / "a.pth"), "--out", out, "--json"]
    assert cli.run(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["said"] == ["prefix 'module.' taken off"]
