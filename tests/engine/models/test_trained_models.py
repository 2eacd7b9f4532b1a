"""A run becomes a trained network; its name stands where a run stands; damage keeps it out."""

import json
import shutil
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import short_runs
import torch
from loopback import host
from PIL import Image

import segkit
from segkit import paths, plugins
from segkit.api import TrainedModel
from segkit.cli import run as command
from segkit.engine import register
from segkit.engine.exporting.subject import find_subject
from segkit.engine.models.model_card import _epochs
from segkit.engine.models.pack import PackSettings, pack
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import open_run
from segkit.engine.training.request import resolve
from segkit.errors import SegkitError, UsageError

__all__ = ["host"]  # a fixture


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A small scored run, packed once: (home, run, folder, facts)."""
    root = tmp_path_factory.mktemp("packed")
    patch = pytest.MonkeyPatch()
    patch.setenv("SEGKIT_HOME", str(root / "home"))
    torch.set_num_threads(1)
    recipe = short_runs.recipe(data={"folds": None, "split": "7:3"})
    short_runs.run(recipe, root / "run", score=True)
    about = PackSettings(
        "spots", "Spots on drawn skin.", licence="CC0-1.0", limits=("Drawn only.",)
    )
    facts = pack(root / "run", root / "model", about)
    yield root / "home", root / "run", root / "model", facts
    patch.undo()


@pytest.fixture
def spots(packed, tmp_path, monkeypatch):
    """The packed network installed under the name 'spots', in a package that a test may damage."""
    home, _, model, _ = packed
    monkeypatch.setenv("SEGKIT_HOME", str(home))
    package = tmp_path / "spots_package"
    shutil.copytree(model, package / "spots")
    (package / "__init__.py").write_text(
        "from segkit.api import TrainedModel\n"
        "MODEL = TrainedModel.described('spots_package', 'spots')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "spots_package", raising=False)
    real = plugins.entry_points
    ours = EntryPoint("spots", "spots_package:MODEL", "segkit.models")
    installed = {"segkit.models": [ours]}
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: installed.get(group) or real(group=group)
    )
    plugins.discover.cache_clear()
    plugins._load.cache_clear()
    yield package / "spots"
    plugins.discover.cache_clear()
    plugins._load.cache_clear()


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_folder_holds_a_run_a_graph_and_a_card_without_names_of_this_machine(packed):
    _, run, model, facts = packed
    files = [path for path in model.rglob("*") if path.is_file()]
    text = "".join(p.read_text("utf-8", "ignore") for p in files)
    assert str(run.parent) not in text
    assert (
        facts["scores"]["dice_image"]["mean"]
        == open_run(run).summary["metrics"]["dice_image"]["mean"]
    )
    assert facts["params"] == sum(p.numel() for p in open_run(run).load_model().parameters())
    card = (model / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: segkit\n")
    assert "Not a medical device" in card
    assert "Drawn only." in card
    assert set(facts["files"]) >= {"recipe.json", "fold0/best.safetensors", "model.onnx"}


def test_its_name_stands_where_a_run_stands(spots, packed, photo, tmp_path, capsys):
    by_name, by_path = open_run("spots"), open_run(packed[1])
    assert by_name.recipe == by_path.recipe
    assert by_name.state == "done"
    quick = load_segmenter("spots")
    assert isinstance(quick, OnnxSegmenter)
    whole = load_segmenter("spots", fold=0)
    assert isinstance(whole, Segmenter)
    small = np.asarray(Image.open(photo).resize((32, 32)))[None]
    assert np.allclose(
        quick.probabilities(small), np.asarray(whole.probabilities(small)), atol=1e-4
    )
    mask, probability = segkit.load("spots")(photo)
    assert mask.shape == probability.shape == (50, 70)
    assert find_subject("spots").card["trained"]
    assert command(["predict", "spots", str(photo), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 1
    assert command(["evaluate", "spots", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == by_path.summary["metrics"]


def content(folder):
    """Every file with its bytes and its time, and every folder."""
    return {
        p: (p.read_bytes(), p.stat().st_mtime_ns) if p.is_file() else "" for p in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("evaluate spots", 0),
        ("evaluate spots --protocol all --tune --at original", 0),
        ("evaluate spots --out OUT", 0),
        ("report spots --out OUT", 0),
        ("report spots", 0),
        ("certify spots --alpha 0.3 --delta 0.3 --data demo-polyp --out OUT", 0),
        ("certify spots --alpha 0.3 --delta 0.3 --data demo-polyp", 2),  # it has no place
        ("export spots --to onnx --out OUT", 0),
        ("predict spots PHOTO --out OUT", 0),
        ("study masks spots", 0),
        ("compare spots spots", 2),  # one run
    ],
)
def test_nothing_is_ever_written_into_its_package(
    spots, photo, tmp_path, monkeypatch, capsys, words, code
):
    before = content(spots.parent)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    places = {"PHOTO": str(photo), "OUT": str(tmp_path / "out")}
    ended = command([places.get(word, word) for word in words.split()])
    said = capsys.readouterr().err
    assert ended == code, said
    assert "internal fault" not in said
    assert content(spots.parent) == before
    assert not (tmp_path / "here" / "spots").exists()  # it would hide the name


def test_scored_into_a_folder_it_is_a_run_like_any_other(spots, packed, tmp_path, capsys):
    out = str(tmp_path / "mine")
    assert command(["evaluate", "spots", "--out", out, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert open_run(out).summary["metrics"] == made["metrics"]
    assert command(["evaluate", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == made["metrics"]
    assert command(["evaluate", "spots", "--out", out]) == 0  # again, into the same copy
    other = segkit.create("unet", width=4, levels=2)
    from safetensors.torch import save_file

    save_file(other.state_dict(), tmp_path / "mine" / "fold0" / "best.safetensors")
    assert command(["evaluate", "spots", "--out", out]) == 2
    assert "another run lies there" in capsys.readouterr().err


def test_a_folder_of_the_same_name_does_not_hide_it(spots, photo, tmp_path, monkeypatch):
    (tmp_path / "here" / "spots").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert command(["predict", "spots", str(photo), "--out", "out"]) == 0


def test_a_training_starts_from_it_and_repeats_its_recipe(spots, packed, tmp_path):
    recipe = short_runs.recipe(
        data={"folds": None, "split": "7:3"}, train={"init": "spots", "epochs": 1}
    )
    events = short_runs.run(recipe, tmp_path / "on")
    assert events[-1]["event"] == "done"
    again = resolve("unet", "spots").recipe
    assert again == open_run(packed[1]).recipe


def test_listing_and_card(spots, capsys):
    assert command(["models", "list", "--json"]) == 0
    row = next(r for r in json.loads(capsys.readouterr().out) if r["name"] == "spots")
    assert row["status"] == "ok"
    assert row["architecture"] == "unet"
    assert command(["models", "info", "spots"]) == 0
    assert "Spots on drawn skin." in capsys.readouterr().out
    assert command(["models", "info", "spots", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["licence"] == "CC0-1.0"


@pytest.mark.parametrize("name", ["fold0/best.safetensors", "model.onnx", "recipe.json"])
def test_a_damaged_file_is_one_line_and_nothing_is_loaded(spots, photo, tmp_path, capsys, name):
    content = bytearray((spots / name).read_bytes())
    content[len(content) // 2] ^= 1
    (spots / name).write_bytes(content)
    assert command(["predict", "spots", str(photo), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip()
    assert "trained network 'spots' is damaged: nothing was loaded" in said
    assert len(said.splitlines()) == 2
    assert not (tmp_path / "out").exists()


def test_swapped_weights_and_a_later_format_are_refused(spots, packed):
    facts = json.loads((spots / "model.json").read_text())
    other = segkit.create("unet", width=8, levels=2)
    from safetensors.torch import save_file

    save_file(other.state_dict(), spots / "fold0" / "best.safetensors")
    with pytest.raises(SegkitError, match="is damaged"):
        open_run("spots")
    facts["files"]["fold0/best.safetensors"] = paths.sha256(spots / "fold0" / "best.safetensors")
    with pytest.raises(SegkitError, match="holds no weights of unet"):
        open_run(spots).load_model()
    facts["format"] = register.FORMAT + 1
    with pytest.raises(SegkitError, match="Install a newer segkit"):
        register.folder(TrainedModel(**facts, package="spots_package", folder="spots"))


def test_weights_that_are_not_in_the_package_are_fetched_once_and_checked(
    spots, host, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "elsewhere"))
    name = "fold0/best.safetensors"
    content = (spots / name).read_bytes()
    (spots / name).unlink()
    facts = json.loads((spots / "model.json").read_text()) | {"address": host.address}
    value = TrainedModel(**facts, package="spots_package", folder="spots")
    host.files[f"/{name}"] = content[:-1] + b"x"
    with pytest.raises(SegkitError, match="cannot be fetched"):
        register.folder(value)
    host.files[f"/{name}"] = content
    there = register.folder(value)
    assert (there / name).read_bytes() == content
    asked = len(host.asked)
    assert register.folder(value) == there
    assert len(host.asked) == asked
    with pytest.raises(SegkitError, match="is missing and has no address"):
        register.folder(
            TrainedModel(**facts | {"address": ""}, package="spots_package", folder="spots")
        )


def test_a_name_nobody_knows_is_answered_with_the_nearest(spots):
    with pytest.raises(SegkitError, match="did you mean the trained network 'spots'"):
        open_run("spot")
    with pytest.raises(UsageError, match="did you mean the trained network 'spots'"):
        load_segmenter("sposts")


def test_a_run_without_scores_is_not_packed(packed, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(packed[1], bare)
    (bare / "summary.json").unlink()
    with pytest.raises(SegkitError, match="has no scores"):
        pack(bare, tmp_path / "model", PackSettings("x"))


def test_the_card_of_a_training_that_was_stopped_does_not_claim_all_its_epochs(packed, tmp_path):
    _, source, _, _ = packed
    copy = tmp_path / "run"
    shutil.copytree(source, copy)
    run = open_run(copy)
    fold = run.fold(0)
    planned = run.recipe.train.epochs
    assert _epochs(run, fold) == str(planned)
    lines = fold.metrics_csv.read_text("utf-8").splitlines()
    fold.metrics_csv.write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    assert _epochs(run, fold) == f"{planned - 1} of {planned} (stopped early)"
