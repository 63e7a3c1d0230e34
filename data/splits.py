"""Splits by group: frames of one drive look alike, so a drive is in one split only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from roadseg.data.dataset import Sample
from roadseg.runtime.errors import DataError
from roadseg.runtime.files import write_text

SPLITS = ("train", "val", "test")
RATIOS = (7.0, 1.5, 1.5)


def split_groups(
    samples: Sequence[Sample], ratios: Sequence[float] = RATIOS, seed: int = 0
) -> dict[str, list[str]]:
    """Return the names of the samples of train, val and test, whole groups in each.

    Groups are taken from the largest to the smallest, those of one size in a seeded order; each
    goes where most images are missing. Every split with a share gets a group. Raises DataError
    when there are too few groups for that.
    """
    sizes = Counter(sample.group for sample in samples)
    wanted = np.array(ratios, float)
    needed = int((wanted > 0).sum())
    if len(sizes) < needed:
        raise DataError(
            f"{len(sizes)} drive(s) cannot be split into {needed} parts: name the drives with "
            "`group` in dataset.toml or by sub-folders of images/, or split with --by image"
        )
    goal = wanted / wanted.sum() * len(samples)
    order = list(np.random.default_rng(seed).permutation(sorted(sizes)))
    order.sort(key=lambda group: -sizes[group])
    filled, home = np.zeros(3), {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = (wanted > 0) & (filled == 0)
        # As many groups are left as splits are empty: each must get one.
        open_splits = empty if left <= empty.sum() else wanted > 0
        place = int(np.argmax(np.where(open_splits, goal - filled, -np.inf)))
        home[group] = SPLITS[place]
        filled[place] += sizes[group]
    return {
        split: sorted(sample.name for sample in samples if home[sample.group] == split)
        for split in SPLITS
    }


def write_splits(folder: Path, splits: dict[str, list[str]]) -> None:
    """Write splits/train.txt, val.txt and test.txt, a name a line."""
    for split, names in splits.items():
        write_text(folder / "splits" / f"{split}.txt", "".join(f"{name}\n" for name in names))
