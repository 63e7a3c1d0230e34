"""The images that a run sees, with the classes that it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset, Sample, open_dataset
from roadseg.runtime.errors import DataError, UsageError, unknown
from roadseg.runtime.spec import IGNORE, ClassInfo

Pixels = NDArray[np.uint8]

CACHE_BYTES = 4 << 30  # decoded images kept in memory; those beyond are decoded anew
OTHER = ClassInfo("other", (0, 0, 0))


@dataclass(frozen=True)
class ClassMap:
    """The classes of a run and, by a mask's value, their ids.

    classes: by id.
    table: (256,) uint8.
    """

    classes: tuple[ClassInfo, ...]
    table: Pixels


def choose_classes(classes: Sequence[ClassInfo], choice: str) -> ClassMap:
    """Return the map for "all", or for one class's name: id 1 for it, 0 for all others."""
    table = np.full(256, IGNORE, np.uint8)
    ids = np.arange(len(classes))
    if choice == "all":
        table[ids] = ids
        return ClassMap(tuple(classes), table)
    names = [info.name for info in classes]
    if choice not in names:
        raise unknown("class", choice, ["all", *names])
    table[ids] = ids == names.index(choice)
    return ClassMap((OTHER, classes[names.index(choice)]), table)


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
        """Return each class's share of the labelled pixels."""
        counts = np.zeros(256, np.int64)
        for _, mask in self:
            counts += np.bincount(mask.ravel(), minlength=256)
        counts = counts[: len(self.classes.classes)]
        return np.asarray(counts / max(1, counts.sum()), np.float64)


def open_splits(
    uri: str, split: str, val_split: str, holdout: Sequence[str], choice: str
) -> tuple[LabelledImages, LabelledImages]:
    """Return the images to train on and those to validate on.

    With `holdout`, these groups of all splits are validated on, and the rest of `split` is trained
    on. Raises DataError when either is empty, UsageError for an unknown class or group.
    """
    training = open_dataset(uri, split)
    classes = choose_classes(training.classes, choice)
    if not holdout:
        other = open_dataset(uri, val_split)
        sets = ((training, training.samples), (other, other.samples))
    else:
        known = {sample.group for sample in training.samples}
        for group in holdout:
            if group not in known:
                raise unknown("group", group, known)
        kept = [sample for sample in training.samples if sample.group not in holdout]
        held = [sample for sample in training.samples if sample.group in holdout]
        sets = ((training, tuple(kept)), (training, tuple(held)))
    images = [LabelledImages(dataset, samples, classes) for dataset, samples in sets]
    for part, purpose in zip(images, ("train", "validate"), strict=True):
        if not len(part):
            where = f"with {', '.join(holdout)} held out" if holdout else "in that split"
            raise DataError(f"{uri}: no labelled image to {purpose} on {where}")
    if len(classes.classes) < 2:
        raise UsageError(f"{uri} has one class only: segmentation needs two")
    return images[0], images[1]
