from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from roadseg.train.augmentation import Augmentation
from roadseg.train.batches import Batch, Batches
from roadseg.train.labels import open_splits


def batches(blocks: Path, seed: int = 0, workers: int = 0, size: int = 5) -> Batches:
    training, _ = open_splits(str(blocks), "train", "val", (), "all")
    return Batches(training, Augmentation(64, 64), (96, 64), size, seed, workers)


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
