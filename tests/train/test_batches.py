from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadseg.train.augmentation import Augmentation
from roadseg.train.batches import Batch, Batches, share_batch
from roadseg.train.labels import open_splits


def batches(blocks: Path, seed: int = 0, workers: int = 0, size: int = 5) -> Batches:
    training, _ = open_splits([str(blocks)], "train", "val", (), "all")
    return Batches(training, Augmentation(64, 64), (96, 64), [size], seed, workers)


def same(one: list[Batch], other: list[Batch]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a, b) for x, y in pairs for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_epoch_is_the_same_for_any_number_of_workers(blocks: Path, workers: int) -> None:
    assert same(list(batches(blocks).epoch(3)), list(batches(blocks, workers=workers).epoch(3)))


def test_epochs_and_seeds_differ(blocks: Path) -> None:
    one = list(batches(blocks).epoch(0))
    assert same(one, list(batches(blocks).epoch(0)))
    assert not same(one, list(batches(blocks).epoch(1)))
    assert not same(one, list(batches(blocks, seed=1).epoch(0)))


def test_images_that_do_not_fill_a_batch_are_left_out(blocks: Path) -> None:
    found = batches(blocks)
    shapes = [image.shape for image, _ in found.epoch(0)]
    assert len(found) == 2
    assert shapes == [(5, 64, 64, 3)] * 2


def test_batch_is_cut_to_a_small_data_set(blocks: Path) -> None:
    found = batches(blocks, size=64)
    assert len(found) == 1
    assert next(found.epoch(0))[1].shape == (12, 64, 64)


def test_an_epoch_may_be_left_early(blocks: Path) -> None:
    epoch = batches(blocks, workers=2, size=2).epoch(0)
    next(epoch)
    epoch.close()


def test_each_batch_has_so_many_of_each_set(blocks: Path) -> None:
    (first,), (second,) = open_splits([str(blocks)], "train", "val", (), "all")
    found = Batches([first, second], Augmentation(64, 64), (96, 64), [3, 2], 0, 0)
    lots = found._lots(1)
    assert len(lots) == len(found) == 4
    for lot in lots:
        assert [number for number, _, _ in lot] == [0, 1, 0, 1, 0]  # spread over the batch
    first = [place for lot in lots for place in lot if not place[0]]
    assert sorted(first) == [(0, index, 0) for index in range(12)]
    second = [place for lot in lots for place in lot if place[0]]
    assert sorted(second[:4]) == [(1, index, 0) for index in range(4)]
    assert sorted(second[4:]) == [(1, index, 1) for index in range(4)]  # goes round twice
    assert found._lots(1) == lots != found._lots(2)
    assert next(found.epoch(1))[0].shape == (5, 64, 64, 3)


def test_an_image_that_comes_twice_in_an_epoch_is_cut_anew(blocks: Path) -> None:
    (first,), (second,) = open_splits([str(blocks)], "train", "val", (), "all")
    found = Batches([first, second], Augmentation(64, 64), (96, 64), [3, 2], 0, 0)
    crops = [found._one(1, (1, 2, turn))[0] for turn in (0, 0, 1)]
    assert np.array_equal(crops[0], crops[1]) and not np.array_equal(crops[0], crops[2])


def test_a_batch_is_shared_evenly() -> None:
    assert [share_batch(8, n) for n in (1, 2, 3)] == [(8,), (4, 4), (3, 3, 2)]


def test_changed_and_mixed_batches_do_not_depend_on_the_workers(blocks: Path) -> None:
    training, _ = open_splits([str(blocks)], "train", "val", (), "all")
    kinds = dict.fromkeys(("elastic", "weather", "blur", "noise", "jpeg"), 1.0)
    change = Augmentation(64, 64, rotation=5.0, cutmix=0.5, chance=0.7, **kinds)
    found = [
        list(Batches(training, change, (96, 64), [4], 3, workers).epoch(2)) for workers in (0, 1, 3)
    ]
    assert same(found[0], found[1]) and same(found[0], found[2])
    plain = list(Batches(training, replace(change, cutmix=0.0), (96, 64), [4], 3, 0).epoch(2))
    mixed = [
        (one[0] != other[0]).any((1, 2, 3)).mean()
        for one, other in zip(found[0], plain, strict=True)
    ]
    assert 0 < np.mean(mixed) < 1


def test_processes_load_the_parts_of_a_mixed_batch(blocks: Path) -> None:
    training, _ = open_splits([str(blocks)], "train", "val", (), "all")
    change = Augmentation(64, 64, cutmix=0.7)
    whole = list(Batches(training, change, (96, 64), [4], 3, 0).epoch(1))
    for rank in range(2):
        own = Batches(training, change, (96, 64), [4], 3, 1)
        own.share(rank, 2)
        assert same(list(own.epoch(1)), [(image[rank::2], mask[rank::2]) for image, mask in whole])
