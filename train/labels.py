"""The images that a run sees, with the classes that it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset, Sample, open_dataset
from roadseg.runtime.errors import DataError, UsageError, unknown
from roadseg.runtime.spec import IGNORE
from roadseg.train.class_map import ClassMap, class_maps

Pixels = NDArray[np.uint8]

CACHE_BYTES = 4 << 30  # decoded images kept in memory; those beyond are decoded anew


class LabelledImages(Sequence[tuple[Pixels, Pixels]]):
    """Images (H, W, 3) and masks (H, W) of a data set by index, kept in memory once read."""

    def __init__(self, dataset: Dataset, samples: Sequence[Sample], classes: ClassMap) -> None:
        self.dataset = dataset
        self.samples = [sample for sample in samples if sample.mask is not None]
        self.classes = classes
        self._kept: dict[int, tuple[Pixels, Pixels]] = {}
        self._room = CACHE_BYTES

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:  # type: ignore[override]
        """Return an image and its mask; neither may be written to."""
        if index in self._kept:
            return self._kept[index]
        image, mask = self.dataset.load(self.samples[index])
        pair = image, self.classes.table[mask]
        size = image.nbytes + mask.nbytes
        if size <= self._room:
            self._room -= size
            self._kept[index] = pair
        return pair

    def __iter__(self) -> Iterator[tuple[Pixels, Pixels]]:
        """Go through all of them."""
        return (self[index] for index in range(len(self)))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups (drives) that occur."""
        return tuple(sorted({sample.group for sample in self.samples}))

    def class_shares(self) -> NDArray[np.float64]:
        """Return each label's share of the labelled pixels, (labels,)."""
        counts = np.zeros(256, np.int64)
        for _, mask in self:
            counts += np.bincount(mask.ravel(), minlength=256)
        counts = counts[: self.classes.labels]
        return np.asarray(counts / max(1, counts.sum()), np.float64)


def open_splits(
    uris: Sequence[str],
    split: str,
    val_split: str,
    holdout: Sequence[str] = (),
    choice: str = "all",
    label_maps: Sequence[str] = (),
) -> tuple[list[LabelledImages], list[LabelledImages]]:
    """Return the images of each data set to train on, and those to validate on.

    With `holdout`, a data set that has such groups in `split` is validated on these instead, and
    they are not trained on. The first data set must have images to validate on; the others are
    left out where they have none.
    Raises DataError when there are none, UsageError for an unknown class or group.
    """
    datasets = [open_dataset(uri, split) for uri in uris]
    maps = class_maps(datasets, label_maps, choice)
    if len(maps[0].classes) < 2:
        raise UsageError(f"{uris[0]} has one class only: segmentation needs two")
    known = {group for dataset in datasets for group in dataset.groups}
    for group in holdout:
        if group not in known:
            raise unknown("group", group, known)
    training, validation = [], []
    for place, (uri, dataset, classes) in enumerate(zip(uris, datasets, maps, strict=True)):
        kept = [sample for sample in dataset.samples if sample.group not in holdout]
        training.append(LabelledImages(dataset, kept, classes))
        held = [sample for sample in dataset.samples if sample.group in holdout]
        told = (dataset, held) if held else _val_split(uri, dataset, val_split, place == 0)
        validation.append(LabelledImages(*told, classes))
    purposes = [("train", part) for part in training] + [("validate", validation[0])]
    for purpose, part in purposes:
        if not any((mask != IGNORE).any() for _, mask in part):
            where = f"with {', '.join(holdout)} held out" if holdout else "in that split"
            raise DataError(f"{part.dataset.name}: no labelled image to {purpose} on {where}")
    return training, [part for part in validation if len(part)]


def _val_split(
    uri: str, training: Dataset, val_split: str, is_first: bool
) -> tuple[Dataset, Sequence[Sample]]:
    """Return the validation split, which only the first data set must have."""
    try:
        dataset = open_dataset(uri, val_split)
    except DataError:
        if is_first:
            raise
        return training, ()
    return dataset, dataset.samples
