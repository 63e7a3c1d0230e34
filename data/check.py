"""What is wrong in a data set, file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from roadseg.data.dataset import Dataset
from roadseg.data.splits import SPLITS
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


def find_leaks(folder: Path, dataset: Dataset) -> Iterator[str]:
    """Give a line for each drive that is in more than one of a plain data set's splits."""
    group_of = {sample.name: sample.group for sample in dataset.samples}
    homes: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        path = folder / "splits" / f"{split}.txt"
        for name in path.read_text().split() if path.is_file() else ():
            if group := group_of.get(name.replace("/", "_")):
                homes[group].add(split)
    for group, splits in sorted(homes.items()):
        if len(splits) > 1:
            yield f"{folder / 'splits'}: drive '{group}' is in {' and '.join(sorted(splits))}"
