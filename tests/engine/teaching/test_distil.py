"""A pupil is taught by the soft answers of its teacher to the very pictures that it sees."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from short_runs import outcome, recipe, run
from torch.nn import functional as F

from segkit import build, paths
from segkit.api import ExportOptions
from segkit.data.augmenting.pipeline import augmentation
from segkit.data.loader import Loader, LoaderSettings
from segkit.data.normalise import normalise
from segkit.data.splitting.types import Fold
from segkit.data.store import open_prepared
from segkit.engine.exporting.export import export
from segkit.engine.exporting.subject import find_subject
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import open_run
from segkit.engine.teaching.lessons import in_channels, open_lessons
from segkit.engine.teaching.teacher import find, identified, refuse_unfit, teaching
from segkit.engine.training import crossval, guards
from segkit.engine.training.objective import Objective, soft_difference
from segkit.engine.training.request import resolve_for_run
from segkit.errors import SegkitError, UsageError
from segkit.recipe import DistilRecipe, LossRecipe, from_dict, to_dict

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def taught(demo_home, tmp_path_factory):
    """A teacher of two folds, trained for an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_HOME", str(demo_home))
        out = tmp_path_factory.mktemp("teacher") / "teacher"
        run(recipe(data={"normalise": "imagenet"}, train={"epochs": 1}), out)
        return out


def pupil(teacher, **over):
    made = {"model": {"width": 2, "levels": 2}, "train": {"epochs": 1}}
    distil = {"teacher": str(teacher)} | over.pop("distil", {})
    return recipe(**{**made, **over, "distil": distil})


# --- the loss ---


def test_the_soft_difference_is_the_divergence_of_two_coins():
    logits, theirs, heat = torch.tensor([[[[0.7]]]]), torch.tensor([[[[-1.2]]]]), 2.0
    p, q = (1 / (1 + math.exp(-z / heat)) for z in (0.7, -1.2))
    by_hand = heat**2 * (q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p)))
    assert soft_difference(logits, theirs, heat).item() == pytest.approx(by_hand, rel=1e-5)


def test_one_logit_and_two_say_the_same():
    ours, theirs = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    two = [torch.cat([-z / 2, z / 2], 1) for z in (ours, theirs)]
    one = soft_difference(ours, theirs, 3.0)
    assert soft_difference(*two, 3.0).item() == pytest.approx(one.item(), rel=1e-5)
    assert soft_difference(ours, ours.clone(), 3.0).item() == pytest.approx(0, abs=1e-6)


def test_the_gradient_keeps_its_size_whatever_the_temperature():
    logits = torch.tensor([[[[0.4, -0.2]]]], requires_grad=True)
    theirs = torch.tensor([[[[0.1, 0.3]]]])
    soft_difference(logits, theirs, 4.0).backward()
    expected = 4.0 * ((logits / 4).sigmoid() - (theirs / 4).sigmoid()) / 2
    torch.testing.assert_close(logits.grad, expected.detach())


def test_the_teacher_has_its_share_of_the_main_output_only():
    outputs = (torch.randn(2, 1, 8, 8), torch.randn(2, 1, 4, 4))
    mask, theirs = torch.randint(0, 2, (2, 8, 8)), torch.randn(2, 1, 8, 8)
    asked = LossRecipe(name="bce", aux_weights=(1.0, 0.5))
    made = Objective(asked, (), DistilRecipe("someone", weight=0.25, temperature=2.0))
    expected = 0.75 * Objective(asked)(outputs, mask)
    expected = expected + 0.25 * soft_difference(outputs[0], theirs, 2.0)
    torch.testing.assert_close(made(outputs, mask, theirs), expected)
    torch.testing.assert_close(made(outputs, mask), Objective(asked)(outputs, mask))


# --- what the teacher sees and says ---


def test_a_batch_brings_the_pixels_of_its_augmented_picture(home, taught):
    prepared = open_prepared(open_run(taught).card["root"])
    settings = LoaderSettings(4, "half", shuffle=True, pixels=True)
    batch = next(Loader(prepared, prepared.ids[:8], settings, augmentation("strong")).epoch(3))
    assert batch.pixels.dtype == torch.uint8
    torch.testing.assert_close(normalise(batch.pixels, "half"), batch.image)
    plain = prepared.images[prepared.index(batch.ids[0])]
    assert (batch.pixels[0].numpy() != plain).any()
    bare = dataclasses.replace(settings, pixels=False)
    assert next(Loader(prepared, prepared.ids[:8], bare).epoch()).pixels is None


def pixels_of(run_folder, count=3):
    prepared = open_prepared(open_run(run_folder).card["root"])
    return torch.from_numpy(np.array(prepared.images[:count]))


def test_a_run_teaches_by_its_own_normalisation(home, taught):
    pixels, found = pixels_of(taught), find(str(taught))
    lessons = open_lessons(found, found.weights[1:], CPU, 1)
    expected = Segmenter.from_run(taught, fold=1, device="cpu").probabilities(pixels)
    torch.testing.assert_close(lessons(pixels).sigmoid(), expected)


def test_several_folds_teach_by_their_mean(home, taught):
    pixels, found = pixels_of(taught), find(str(taught))
    lessons = open_lessons(found, found.weights, CPU, 1)
    expected = Segmenter.from_run(taught, fold="all", device="cpu").probabilities(pixels)
    torch.testing.assert_close(lessons(pixels).sigmoid(), expected)


def test_another_size_is_taught_at_the_size_of_the_teacher(home, taught):
    pixels, found = pixels_of(taught), find(str(taught))
    small = pixels[:, ::2, ::2].contiguous()
    answer = open_lessons(found, found.weights[:1], CPU, 1)(small)
    assert answer.shape == (3, 1, 16, 16)
    network = open_run(taught).load_model(0)
    large = F.interpolate(
        small.permute(0, 3, 1, 2).float(), size=(32, 32), mode="bilinear", antialias=True
    )
    seen = normalise(large.round().byte().permute(0, 2, 3, 1), "imagenet")
    with torch.no_grad():
        expected = F.interpolate(network(seen), size=(16, 16), mode="bilinear")
    torch.testing.assert_close(answer, expected)


@pytest.mark.parametrize("inside", [False, True])
def test_an_onnx_file_teaches_as_the_network_does(home, taught, tmp_path, inside):
    pytest.importorskip("onnx")
    report = export(find_subject(str(taught)), "onnx", tmp_path, ExportOptions(preprocess=inside))
    pixels, file = pixels_of(taught), find(report["file"])
    assert file.sha256 == paths.sha256(report["file"])
    by_run = open_lessons(find(str(taught)), find(str(taught)).weights[:1], CPU, 1)(pixels)
    by_file = open_lessons(file, file.weights, CPU, 1)(pixels)
    torch.testing.assert_close(by_file, by_run, atol=1e-4, rtol=1e-4)


def test_two_channels_and_one_are_exchanged():
    one, two = torch.randn(1, 1, 3, 3), torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(in_channels(one, 2).softmax(1)[:, 1:], one.sigmoid())
    torch.testing.assert_close(in_channels(two, 1).sigmoid(), two.softmax(1)[:, 1:])
    assert in_channels(two, 2) is two


# --- training ---


def test_the_teacher_alone_makes_the_masks_indifferent(home, taught, tmp_path):
    """With the whole weight on the teacher, another loss of the masks changes nothing."""
    for name in ("bce", "dice"):
        made = pupil(taught, distil={"weight": 1.0}, loss={"name": name})
        run(made, tmp_path / name, folds=[0])
    same = [load_file(tmp_path / name / "fold0/best.safetensors") for name in ("bce", "dice")]
    assert all(torch.equal(same[0][key], same[1][key]) for key in same[0])
    mixed = pupil(taught, distil={"weight": 0.5}, loss={"name": "dice"})
    run(mixed, tmp_path / "mixed", folds=[0])
    other = load_file(tmp_path / "mixed/fold0/best.safetensors")
    assert any(not torch.equal(same[0][key], other[key]) for key in other)


def test_a_pupil_comes_near_its_teacher(home, taught, tmp_path):
    """The loss of the teacher's share falls, on augmented pictures too."""
    made = pupil(
        taught,
        distil={"weight": 1.0},
        data={"augment": "strong"},
        model={"width": 4, "levels": 2},
        train={"epochs": 5},
    )
    run(made, tmp_path / "p", folds=[0])
    losses = [row["loss"] for row in open_run(tmp_path / "p").fold(0).history()]
    assert losses[-1] < 0.5 * losses[0]


def test_each_fold_is_taught_by_the_network_that_has_not_seen_its_test_part(home, taught, tmp_path):
    events = run(pupil(taught), tmp_path / "p")
    said = [e["text"] for e in events if e["event"] == "note" and "taught by" in e["text"]]
    digest = find(str(taught)).sha256
    assert said == [
        f"taught by {taught} (fold{i}), SHA-256 {digest[:12]}…" for i in (0, 1)
    ]  # the split is the teacher's, so fold 0 is held back by the teacher's fold 0 alone
    assert open_run(tmp_path / "p").recipe.distil.sha256 == digest


class StopAfter(guards.Stop):
    """Asks to stop at the third question."""

    questions = 0

    def requested(self, device, step=0):
        StopAfter.questions += 1
        self.signal = 15 if StopAfter.questions == 3 else 0
        return bool(self.signal)


def test_a_stopped_pupil_goes_on_to_the_same_weights(home, taught, tmp_path, monkeypatch):
    made = pupil(taught, train={"epochs": 2}, data={"augment": "strong"})
    run(made, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(crossval, "Stop", StopAfter)
        with pytest.raises(guards.Stopped):
            run(made, tmp_path / "r")
    run(made, tmp_path / "r", resume=True)
    assert outcome(tmp_path / "r") == outcome(tmp_path / "whole")


# --- refusals ---


def test_a_teacher_that_was_exchanged_is_refused(home, taught, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(taught, copy)
    made = identified(pupil(copy))
    state = load_file(copy / "fold1/best.safetensors")
    save_file({key: value + 1 for key, value in state.items()}, copy / "fold1/best.safetensors")
    with pytest.raises(SegkitError, match="not the one that the recipe names"):
        run(made, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_the_hash_is_that_of_the_file_or_of_the_list(home, taught, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(taught, alone, ignore=shutil.ignore_patterns("fold1"))
    assert find(str(alone)).sha256 == paths.sha256(taught / "fold0/best.safetensors")
    assert find(str(taught)).sha256 != find(str(alone)).sha256


def test_pictures_that_the_teacher_knows_do_not_test_its_pupil(home, taught, tmp_path):
    made = pupil(taught, data={"folds": None, "split": "5:5", "split_seed": 3})
    with pytest.raises(UsageError, match="pictures that this split holds back") as caught:
        run(made, tmp_path / "p")
    assert f"--split-file {taught / 'split.json'}" in caught.value.as_text()
    assert not (tmp_path / "p").exists()


def test_a_teacher_may_have_been_selected_where_its_pupil_is(home, taught):
    found = find(str(taught))
    theirs = found.run.split.folds[0]
    assert teaching(found, theirs, "demo") == (found.weights[0],)
    chosen = Fold(theirs.train, theirs.val, theirs.val)  # chosen on what is tested: no
    with pytest.raises(UsageError):
        teaching(dataclasses.replace(found, weights=found.weights[:1]), chosen, "demo")
    assert teaching(found, chosen, "another set") == found.weights


def test_other_classes_and_colours_are_refused(home, taught):
    found = find(str(taught))
    with pytest.raises(UsageError, match="cannot teach these classes"):
        refuse_unfit(found, "rgb", ("background", "cup", "disc"))
    with pytest.raises(UsageError, match=r"data\.colour is ycrcb"):
        refuse_unfit(found, "ycrcb", ("background", "lesion"))
    refuse_unfit(found, "rgb", ("background", "spot"))  # two classes are two classes


def test_a_state_from_before_teachers_goes_on(home, tmp_path):
    """`last.pt` of an older segkit has no such section in its recipe."""
    out = tmp_path / "r"
    run(recipe(train={"epochs": 1}), out, folds=[0])
    (out / "fold0/fold.json").unlink()
    kept = torch.load(out / "fold0/last.pt", weights_only=True)
    del kept["recipe"]["distil"]
    torch.save(kept, out / "fold0/last.pt")
    written = json.loads((out / "recipe.json").read_text())
    del written["distil"]
    (out / "recipe.json").write_text(json.dumps(written))
    events = run(recipe(train={"epochs": 1}), out, folds=[0], resume=True)
    assert events[-1]["event"] == "done"


# --- recipes ---


def test_the_usual_recipe_is_the_teachers(home, taught):
    flags = {"distil": {"teacher": str(taught)}, "optim": {"lr": 0.5}}
    file = str(find(str(taught)).recipe_file)
    made = resolve_for_run("unext_s", None, flags, [], taught / "x", False, usual=file)[0].recipe
    theirs = open_run(taught).recipe
    assert made.architecture == "unext_s"
    assert made.model["widths"] == (8, 16, 32, 64, 128)
    assert made.data == theirs.data
    assert made.optim == dataclasses.replace(theirs.optim, lr=0.5)
    assert made.distil == DistilRecipe(str(taught))


def test_a_recipe_of_another_network_leaves_its_settings_behind(tmp_path):
    theirs = to_dict(build.resolve_recipe("unet", None, ["loss.aux_weights=[1.0]"]))
    paths.write_json(tmp_path / "recipe.json", theirs | {"train": {"init": "x.pth", "epochs": 7}})
    made = build.resolve_recipe("unext_s", str(tmp_path / "recipe.json"))
    assert (made.architecture, made.loss.aux_weights) == ("unext_s", ())
    assert (made.train.init, made.train.epochs) == ("", 7)
    same = build.resolve_recipe("unet", str(tmp_path / "recipe.json"))
    assert (same.loss.aux_weights, same.train.init) == ((1.0,), "x.pth")
    with pytest.raises(UsageError, match="above 0"):
        from_dict({"distil": {"weight": 0.0}})
