"""Prediction of pictures of any size and kind, from a run folder alone."""

import csv
import os

import numpy as np
import pytest
import torch
from PIL import Image

import segkit
from segkit.data.geometry import fit
from segkit.data.pairing import Pair
from segkit.data.preparing.reading import PrepareSettings, read_pair
from segkit.engine.predicting.folder import PredictJob, find_pictures, run_job
from segkit.engine.predicting.outputs import figures, overlay
from segkit.engine.predicting.predictor import Predictor, load, open_picture, restore
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.predicting.sliding import Sliding, slide, starts
from segkit.errors import UsageError
from segkit.testing.runs import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "unet-demo", folds=2).path


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Bright:
    """A segmenter without a network: the probability is the mean of the channels."""

    size, resize, threshold = (16, 24), "stretch", 0.5
    classes, name = ("background", "lesion"), "bright"

    def probabilities(self, images):
        return images.mean(3, dtype=np.float32)[:, None] / np.float32(255)


# one picture


def test_a_predictor_answers_at_the_picture_s_own_size(run):
    mask, probability = load(run)(noise(50, 91))
    assert mask.shape == probability.shape == (50, 91)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}
    assert (mask == (probability > 0.5)).all()


def test_a_path_and_its_pixels_give_the_same(run, tmp_path):
    image = noise(40, 33)
    Image.fromarray(image).save(tmp_path / "a.png")
    from_path = segkit.load(run)(tmp_path / "a.png")
    from_array = segkit.load(run)(image)
    np.testing.assert_array_equal(from_path[1], from_array[1])
    np.testing.assert_array_equal(segkit.load(run)(Image.fromarray(image))[1], from_array[1])
    with pytest.raises(UsageError, match="a list is no picture"):
        segkit.load(run)([[0]])


def test_all_folds_are_averaged_unless_one_is_named(run):
    image = noise(64, 64)
    each = [load(run, fold=index)(image)[1] for index in (0, 1)]
    assert not np.allclose(each[0], each[1])
    np.testing.assert_allclose(load(run)(image)[1], sum(each) / 2, atol=1e-6)


def test_prediction_uses_the_network_and_geometry_of_evaluation(run):
    image = noise(100, 70)
    small, geometry = fit(image, (64, 64), "stretch")
    segmenter = Segmenter.from_run(run, fold=0, device="cpu")
    expected = restore(segmenter.probabilities(small[None]).numpy()[0], geometry)
    np.testing.assert_array_equal(load(run, fold=0, device="cpu").probability(image), expected)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_the_answer_lies_where_the_picture_is(resize):
    segmenter = Bright()
    segmenter.resize = resize
    image = np.zeros((300, 100, 3), np.uint8)
    image[150:] = 255
    mask, _ = Predictor(segmenter)(image)
    assert (mask[170:] == 1).all()
    assert (mask[:130] == 0).all()


@pytest.mark.parametrize("kind", ["grey", "one channel", "rgba", "16 bits", "floats"])
def test_arrays_of_any_kind_are_taken(kind):
    grey = noise(20, 30)[..., 0]
    rgb = np.repeat(grey[..., None], 3, 2)
    alpha = np.full((20, 30, 1), 255, np.uint8)
    given = {
        "grey": grey,
        "one channel": grey[..., None],
        "rgba": np.concatenate([rgb, alpha], 2),
        "16 bits": grey.astype(np.uint16) * 257,
        "floats": rgb / 255,
    }[kind]
    np.testing.assert_array_equal(Predictor(Bright())(given)[1], Predictor(Bright())(rgb)[1])


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((4, 4, 7)), np.zeros((4, 4), np.int64)])
def test_an_array_that_is_no_picture_is_refused(bad):
    with pytest.raises(UsageError, match="is no picture"):
        Predictor(Bright())(bad)


def test_a_model_that_is_neither_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match=r"no run folder and no \.onnx"):
        load(tmp_path / "a.txt")


# sliding window


def test_windows_cover_the_axis_evenly():
    assert starts(10, 10, 0.5) == [0]
    assert starts(25, 10, 0.5) == [0, 5, 10, 15]
    assert starts(21, 10, 0.0) == [0, 6, 11]


@pytest.mark.parametrize("size", [(61, 103), (16, 24), (5, 7), (1, 1)])
def test_blending_windows_of_a_local_answer_gives_the_answer(size):
    image = noise(*size)
    blended = slide(Bright(), image, Sliding(batch=3))
    np.testing.assert_allclose(blended[0], image.mean(2) / 255, atol=1e-5)


def test_the_middle_of_a_window_counts_more_than_its_border():
    class Border(Bright):
        def probabilities(self, images):
            answer = np.zeros((len(images), 1, 16, 24), np.float32)
            answer[:, :, :, :2] = 1
            return answer

    blended = slide(Border(), noise(16, 96), Sliding(overlap=0.5))
    assert blended[0, 8, 12:80].max() < 0.1


def test_a_scale_shrinks_the_work_and_keeps_the_size():
    calls = []

    class Counting(Bright):
        def probabilities(self, images):
            calls.append(len(images))
            return super().probabilities(images)

    assert slide(Counting(), noise(160, 240), Sliding(scale=0.1)).shape == (1, 160, 240)
    assert sum(calls) == 1


def test_impossible_windows_are_refused():
    with pytest.raises(UsageError, match="overlap is 1"):
        Sliding(overlap=1)
    with pytest.raises(UsageError, match="scale is 0"):
        Sliding(scale=0)


# figures and files


def test_figures_of_a_mask_by_hand():
    mask = np.zeros((4, 5), np.uint8)
    mask[0, 0] = mask[2, 2:4] = mask[3, 4] = 1  # the last two touch at a corner
    probability = np.where(mask, 0.9, 0.2).astype(np.float32)[None]
    (row,) = figures(mask, probability, ("background", "lesion"))
    assert row == {
        "class": "lesion",
        "area": 4,
        "share": 0.2,
        "parts": 2,
        "left": 0,
        "top": 0,
        "box_width": 5,
        "box_height": 4,
        "confidence": 0.82,
    }


def test_figures_of_an_empty_mask():
    (row,) = figures(np.zeros((2, 2), np.uint8), np.zeros((1, 2, 2)), ("background", "lesion"))
    assert (row["area"], row["parts"], row["left"], row["confidence"]) == (0, 0, "", 1.0)


def test_every_class_has_a_row_and_a_colour():
    mask = np.array([[0, 1], [2, 2]], np.uint8)
    probability = np.full((3, 2, 2), 1 / 3, np.float32)
    rows = figures(mask, probability, ("background", "disc", "cup"))
    assert [(row["class"], row["area"]) for row in rows] == [("disc", 1), ("cup", 2)]
    drawn = overlay(np.full((2, 2, 3), 128, np.uint8), mask)
    assert len({tuple(pixel) for pixel in drawn.reshape(-1, 3)}) == 3


def write_mixed(folder):
    """Nine good pictures of all kinds and three broken ones; name -> expected (W, H)."""
    folder.mkdir()
    rgb = Image.fromarray(noise(48, 64))
    good = {}

    def save(name, picture, size=None, **settings):
        picture.save(folder / name, **settings)
        good[name] = size or picture.size

    save("rgb.jpg", rgb)
    save("grey.png", rgb.convert("L"))
    save("palette.png", rgb.convert("P"))
    save("rgba.png", rgb.convert("RGBA"))
    save("bits16.png", Image.fromarray(noise(31, 17)[..., 0].astype(np.uint16) * 257))
    save("bits16.tif", Image.fromarray(noise(31, 18)[..., 0].astype(np.uint16) * 257))
    save("dot.png", Image.fromarray(noise(1, 1)))
    save("wide.bmp", Image.fromarray(noise(3, 500)))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", rgb, size=(48, 64), exif=exif)
    whole = (folder / "rgb.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no suffix of a picture: not looked at")
    return good


@pytest.fixture
def mixed(tmp_path):
    return tmp_path / "in", write_mixed(tmp_path / "in"), tmp_path / "out"


def test_a_mixed_folder_is_predicted_and_the_broken_are_named(mixed):
    folder, good, out = mixed
    job = PredictJob(out, probabilities=True, batch=4)
    results = list(run_job(Bright(), find_pictures([folder]), job))
    assert {r.picture.path.name for r in results if r.error} == {
        "half.jpg",
        "text.png",
        "empty.png",
    }
    with open(out / "predictions.csv", newline="") as handle:
        rows = {os.path.basename(row["file"]): row for row in csv.DictReader(handle)}
    assert set(rows) == set(good)
    for name, size in good.items():
        mask = Image.open(out / rows[name]["mask"])
        assert (mask.size, mask.mode) == (size, "L")
        assert set(np.unique(np.array(mask))) <= {0, 255}
        assert int((np.array(mask) > 0).sum()) == int(rows[name]["area"])
        stem = rows[name]["mask"].removeprefix("masks/").removesuffix(".png")
        assert Image.open(out / "overlays" / f"{stem}.jpg").size == size
        assert Image.open(out / "probabilities" / f"{stem}.png").mode == "I;16"
    with open(out / "skipped.csv", newline="") as handle:
        assert len(list(csv.DictReader(handle))) == 3


def test_probabilities_are_kept_to_16_bits(tmp_path):
    Image.fromarray(noise(16, 24)).save(tmp_path / "a.png")
    list(
        run_job(
            Bright(), find_pictures([tmp_path / "a.png"]), PredictJob(tmp_path, probabilities=True)
        )
    )
    stored = np.array(Image.open(tmp_path / "probabilities" / "a.png")) / 65535
    np.testing.assert_allclose(stored, noise(16, 24).mean(2) / 255, atol=1e-5)


def test_batches_do_not_change_the_masks(run, tmp_path):
    for index in range(5):
        Image.fromarray(noise(40 + index, 64, index)).save(tmp_path / f"{index}.png")
    segmenter = Segmenter.from_run(run, device="cpu")
    for batch in (1, 3):
        job = PredictJob(tmp_path / f"out{batch}", batch=batch, overlays=False)
        list(run_job(segmenter, find_pictures([tmp_path / "*.png"]), job))
    for index in range(5):
        one, three = (tmp_path / f"out{b}/masks/{index}.png" for b in (1, 3))
        assert one.read_bytes() == three.read_bytes()


def test_several_classes_are_an_indexed_png(tmp_path):
    class Three(Bright):
        classes = ("background", "disc", "cup")

        def probabilities(self, images):
            red = images[..., 0].astype(np.float32) / 255
            return np.stack([1 - red, red * 0.6, red * 0.4], 1)

    Image.fromarray(noise(16, 24)).save(tmp_path / "a.png")
    list(
        run_job(
            Three(), find_pictures([tmp_path / "a.png"]), PredictJob(tmp_path, probabilities=True)
        )
    )
    mask = Image.open(tmp_path / "masks/a.png")
    assert mask.mode == "P"
    assert set(np.unique(np.array(mask))) == {0, 1}
    written = sorted(file.name for file in (tmp_path / "probabilities").iterdir())
    assert written == ["a.cup.png", "a.disc.png"]


def test_names_are_kept_apart(tmp_path):
    for name in ("a.png", "a.bmp", "b/a.png", "c.d.png", "a2.png", "a10.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(2, 2)).save(tmp_path / name)
    names = {picture.name for picture in find_pictures([tmp_path])}
    assert names == {"a_png", "a_bmp", "b/a", "c.d", "a2", "a10"}
    single = [tmp_path / "a.png", tmp_path / "b" / "a.png"]
    assert len({picture.name for picture in find_pictures(single)}) == 2


def test_results_below_the_input_are_not_predicted_again(tmp_path):
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    out = tmp_path / "out"
    list(run_job(Bright(), find_pictures([tmp_path], skip=out), PredictJob(out)))
    again = find_pictures([tmp_path], skip=out)
    assert [picture.path.name for picture in again] == ["a.png"]
    with pytest.raises(UsageError, match="results of segkit only"):
        find_pictures([out], skip=out)


def test_the_input_folder_may_be_the_output_folder(tmp_path):
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    for _ in range(2):
        found = find_pictures([tmp_path], skip=tmp_path)
        assert [picture.path.name for picture in found] == ["a.png"]
        list(run_job(Bright(), found, PredictJob(tmp_path)))


def test_an_earlier_list_of_skipped_files_goes(tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    for pictures, listed in (([tmp_path], True), ([tmp_path / "a.png"], False)):
        list(run_job(Bright(), find_pictures(pictures, skip=tmp_path), PredictJob(tmp_path)))
        assert (tmp_path / "skipped.csv").is_file() == listed


def test_missing_and_empty_sources_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="no such file, folder or match"):
        find_pictures([tmp_path / "*.jpg"])
    with pytest.raises(UsageError, match="holds no pictures"):
        find_pictures([tmp_path])


def test_the_python_function_returns_the_rows(run, tmp_path):
    Image.fromarray(noise(30, 20)).save(tmp_path / "a.png")
    rows = segkit.predict(run, tmp_path / "a.png", tmp_path / "out")
    assert [(row["height"], row["width"]) for row in rows] == [(30, 20)]
    assert (tmp_path / "out/masks/a.png").is_file()


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("size", [(700, 900), (674, 505)])
def test_the_network_sees_what_prepare_stores(tmp_path, resize, suffix, size):
    small = Image.fromarray(noise(30, 40) // 2 + 99)  # no black: padding can be told apart
    small.resize(size[::-1], Image.Resampling.BICUBIC).save(tmp_path / f"a.{suffix}")
    Image.new("L", size[::-1], 255).save(tmp_path / "a_mask.png")
    pair = Pair("a", f"a.{suffix}", ("a_mask.png",))
    stored = read_pair(pair, tmp_path, PrepareSettings((64, 64), resize))
    opened = open_picture(tmp_path / f"a.{suffix}", (64, 64), resize)
    np.testing.assert_array_equal(opened.small, stored.rows["images.npy"])
    assert opened.geometry.original == opened.image.shape[:2] == size
    np.testing.assert_array_equal(stored.rows["images.npy"].any(2), stored.rows["masks.npy"] > 0)
