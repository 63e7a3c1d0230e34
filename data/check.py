"""What is wrong in a data set, file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from roadseg.data.dataset import Dataset
from roadseg.data.near_duplicates import hash_samples, near_duplicates
from roadseg.data.plain import names_on_disk
from roadseg.data.splits import read_names, split_lists
from roadseg.runtime.errors import DataError


def find_faults(
    dataset: Dataset, progress: Callable[[int], None] = lambda done: None
) -> Iterator[str]:
    """Read every image and mask; give a line for each that cannot be used.

    Unreadable and truncated files, masks of another size, unknown class ids or colours, images
    without a mask and masks without an image.
    """
    for done, sample in enumerate(dataset.samples, 1):
        try:
            dataset.load(sample)
        except DataError as error:
            yield str(error)
        progress(done)
    for stray in dataset.strays:
        yield f"{stray}: belongs to no image"


def find_notes(dataset: Dataset) -> Iterator[str]:
    """Give a line for each shape that is cut off at its image's edge, or that is no area."""
    for sample in dataset.samples if dataset.notes else ():
        try:
            yield from dataset.notes(sample) if dataset.notes else ()
        except DataError:
            continue  # a fault, and told as one


def find_unknown_names(folder: Path, dataset: Dataset) -> Iterator[str]:
    """Give a line for each name in a list of splits/ that is no image of the folder.

    `dataset` is all of the folder, which is in the plain layout.
    """
    known = set(names_on_disk(folder, dataset).values())
    for path in split_lists(folder).values():
        for name in sorted(set(read_names(path)) - known):
            yield f"{path}: '{name}' is no image in {folder / 'images'}"


def find_leaks(where: str, dataset: Dataset, splits: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Give a line for each drive, image or near-duplicate that is in more than one split.

    `splits` are names of samples by split, such as read_splits gives; `where` they are from.
    """
    for line in in_two_splits(dataset, splits):
        yield f"{where}: {line}"
    if splits:
        home = {name: split for split, names in splits.items() for name in names}
        yield from near_duplicates(*hash_samples(dataset, dataset.samples), home)


def in_two_splits(dataset: Dataset, splits: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Give a line for each drive, or image without one, that is in more than one split."""
    group_of = {sample.name: sample.group for sample in dataset.samples}
    homes: dict[str, set[str]] = defaultdict(set)
    for split, names in splits.items():
        for name in names:
            if name in group_of:
                group = group_of[name]
                homes[f"drive '{group}'" if group else f"image '{name}'"].add(split)
    for what, where in sorted(homes.items()):
        if len(where) > 1:
            yield f"{what} is in {' and '.join(split for split in splits if split in where)}"
