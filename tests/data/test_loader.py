"""The loader: every sample once, the same batches for any workers, start and processes."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from segkit.data.augmenting.pipeline import augmentation
from segkit.data.loader import Loader, LoaderSettings
from segkit.data.normalise import normalise


class Pictures:
    def __init__(self, count=11, size=16):
        rng = np.random.default_rng(0)
        self.ids = [f"p{i}" for i in range(count)]
        self.images = rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
        self.masks = rng.integers(0, 2, (count, size, size)).astype(np.uint8)


@pytest.fixture
def pictures():
    return Pictures()


def batches(pictures, epoch=0, start=0, policy="strong", rank=0, world=1, **settings):
    chosen = {"batch": 4, "shuffle": True, **settings}
    loader = Loader(
        pictures,
        pictures.ids,
        LoaderSettings(**chosen),
        augmentation(policy),
        rank=rank,
        world=world,
    )
    return list(loader.epoch(epoch, start))


def same(one, other):
    assert [b.ids for b in one] == [b.ids for b in other]
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left.image, right.image)
        assert torch.equal(left.mask, right.mask)


def test_batches_are_normalised_pictures_and_their_masks(pictures):
    loader = Loader(pictures, pictures.ids, LoaderSettings(batch=4, rule="half"))
    found = list(loader.epoch())
    assert [len(b.ids) for b in found] == [4, 4, 3]
    assert len(loader) == 3
    np.testing.assert_array_equal(found[1].image, normalise(pictures.images[4:8], "half"))
    assert found[1].image.dtype == torch.float32
    assert found[1].mask.dtype == torch.int64
    np.testing.assert_array_equal(found[1].mask, pictures.masks[4:8])


def test_an_epoch_has_every_sample_once_in_a_new_order(pictures):
    orders = [[i for b in batches(pictures, epoch) for i in b.ids] for epoch in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(pictures.ids)
    assert orders[0] != orders[1]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_change_nothing(pictures, workers):
    same(batches(pictures, workers=workers), batches(pictures, workers=2))


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_an_epoch_can_be_entered_anywhere(pictures, start):
    same(batches(pictures, start=start), batches(pictures)[start:])


def test_batch_size_changes_no_picture(pictures):
    def by_id(found):
        return {name: b.image[i] for b in found for i, name in enumerate(b.ids)}

    small, large = by_id(batches(pictures, batch=2)), by_id(batches(pictures, batch=11))
    for name in pictures.ids:
        assert torch.equal(small[name], large[name])


def test_epochs_differ_and_repeat_with_the_seed(pictures):
    first = torch.cat([b.image for b in batches(pictures, shuffle=False)])
    assert torch.equal(first, torch.cat([b.image for b in batches(pictures, shuffle=False)]))
    assert not torch.equal(first, torch.cat([b.image for b in batches(pictures, 1, shuffle=False)]))
    other = torch.cat([b.image for b in batches(pictures, shuffle=False, seed=5)])
    assert not torch.equal(first, other)


def test_a_last_single_picture_joins_the_batch_before(pictures):
    assert [len(b.ids) for b in batches(pictures, batch=5)] == [5, 6]
    assert [len(b.ids) for b in batches(pictures, batch=5, shuffle=False)] == [5, 5, 1]
    assert [len(b.ids) for b in batches(pictures, batch=4, drop_last=True)] == [4, 4]
    assert [len(b.ids) for b in batches(pictures, batch=99, drop_last=True)] == [11]


def test_training_batches_are_shared_out_between_processes(pictures):
    whole = batches(pictures)
    parts = [batches(pictures, rank=rank, world=2) for rank in (0, 1)]
    for batch, one, two in zip(whole, *parts, strict=True):
        assert one.ids + two.ids == batch.ids
        assert torch.equal(torch.cat([one.image, two.image]), batch.image)
        shares = one.share * len(one.ids) / len(one.ids), two.share
        assert sum(shares) == pytest.approx(2)


def test_a_process_without_a_picture_takes_part_with_weight_zero(pictures):
    two = batches(pictures, batch=11, rank=1, world=2)
    assert len(two[0].ids) == 5
    none = batches(pictures, batch=3, rank=3, world=4)
    assert [b.share for b in none][-1] == 0
    assert len(none[-1].ids) == 1


def test_validation_batches_are_dealt_whole_and_none_twice(pictures):
    settings = {"batch": 3, "shuffle": False}
    parts = [batches(pictures, rank=rank, world=3, **settings) for rank in range(3)]
    found = sorted((b.index, tuple(b.ids)) for part in parts for b in part)
    assert [ids for _, ids in found] == [tuple(b.ids) for b in batches(pictures, **settings)]


def test_leaving_an_epoch_early_stops_the_threads(pictures):
    loader = Loader(
        pictures, pictures.ids, LoaderSettings(batch=1, workers=2), augmentation("flips")
    )
    epoch = loader.epoch()
    next(epoch)
    epoch.close()
    assert len(list(loader.epoch())) == 11


class CopyStream:
    """Stands for a CUDA stream, where there is no GPU: remembers what was asked of it."""

    def __init__(self, *_):
        self.waited = []

    def record_event(self):
        return object()

    def wait_event(self, event):
        self.waited.append(event)


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_pixels_travel_a_batch_ahead(pictures, monkeypatch, workers):
    expected = list(Loader(pictures, pictures.ids, LoaderSettings(batch=4)).epoch())
    computing, journal = CopyStream(), []
    monkeypatch.setattr(Loader, "_on_device", True)
    monkeypatch.setattr("segkit.data.loader._pinned", torch.from_numpy)
    monkeypatch.setattr(torch.cuda, "Stream", CopyStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda part, stream: None)
    sent = Loader._sent
    monkeypatch.setattr(
        Loader, "_sent", lambda self, job: (journal.append(f"sent {job[4]}"), sent(self, job))[1]
    )
    settings = LoaderSettings(batch=4, workers=workers, cache="stream")
    found = []
    for batch in Loader(pictures, pictures.ids, settings).epoch():
        journal.append(f"given {batch.index}")
        found.append(batch)
    same(found, expected)
    assert len(computing.waited) == len(set(computing.waited)) == 3
    if workers:  # the next batch is on its way before this one is computed on
        assert journal == ["sent 0", "sent 1", "given 0", "sent 2", "given 1", "given 2"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_streamed_and_resident_pictures_give_the_same_batches(pictures):
    both = []
    for cache in ("stream", "device"):
        settings = LoaderSettings(batch=4, shuffle=True, workers=2, cache=cache)
        loader = Loader(pictures, pictures.ids, settings, augmentation("flips"), "cuda")
        assert loader.resident == (cache == "device")
        both.append(list(loader.epoch()))
    same(*both)
