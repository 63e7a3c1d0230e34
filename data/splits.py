"""Splits by group: frames of one drive look alike, so a drive is in one split only."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import Sample
from roadseg.runtime.errors import DataError
from roadseg.runtime.files import write_text

SPLITS = ("train", "val", "test")
PUBLISHED = "PUBLISHED"  # a file beside lists that came with the data
RATIOS = (7.0, 1.5, 1.5)


def split_groups(
    samples: Sequence[Sample],
    ratios: Sequence[float] = RATIOS,
    seed: int = 0,
    pixels: NDArray[np.int64] | None = None,
) -> dict[str, list[str]]:
    """Return the names of the samples of train, val and test, whole groups in each.

    Groups are taken from the largest to the smallest, those of one size in a seeded order; each
    goes where most of what it has is missing: images, and pixels of each class when `pixels`,
    (samples, classes), is given, all classes together counting as much as the images (greedy, after
    Sechidis et al., ECML 2011). With `pixels`, groups then move while that brings shares closer.
    Every split with a share gets a group. Raises DataError when there are too few groups for that.
    """
    sizes = Counter(sample.group for sample in samples)
    wanted = np.array(ratios, float)
    needed = int((wanted > 0).sum())
    if len(sizes) < needed:
        raise DataError(
            f"{len(sizes)} drive(s) cannot be split into {needed} parts: name the drives with "
            "`group` in dataset.toml or by sub-folders of images/, or split with --by image"
        )
    loads, weights = _loads(samples, pixels)
    goal = np.outer(wanted / wanted.sum(), sum(loads.values()))
    order = list(np.random.default_rng(seed).permutation(sorted(sizes)))
    order.sort(key=lambda group: -sizes[group])
    filled = np.zeros_like(goal)
    home: dict[str, int] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = (wanted > 0) & (filled[:, 0] == 0)
        # As many groups are left as splits are empty: each must get one.
        open_splits = empty if left <= empty.sum() else wanted > 0
        missing = (goal - filled) @ (weights * loads[group])
        place = int(np.argmax(np.where(open_splits, missing, -np.inf)))
        home[group] = place
        filled[place] += loads[group]
    if pixels is not None:
        _move(home, loads, weights, goal)
    return {
        split: sorted(sample.name for sample in samples if SPLITS[home[sample.group]] == split)
        for split in SPLITS
    }


def _move(
    home: dict[str, int],
    loads: Mapping[str, NDArray[np.float64]],
    weights: NDArray[np.float64],
    goal: NDArray[np.float64],
) -> None:
    """Move one group at a time while what splits have comes closer to the goal; change `home`."""
    wanted = np.flatnonzero(goal[:, 0] > 0)
    filled = np.stack(
        [sum((loads[g] for g in home if home[g] == n), np.zeros_like(goal[n])) for n in range(3)]
    )

    def cost() -> float:
        apart = (filled[wanted] - goal[wanted]) ** 2 / goal[wanted, :1]
        return float((apart @ weights).sum())

    best, moved = cost(), True
    while moved:
        moved = False
        for group, place in itertools.product(home, wanted.tolist()):
            before = home[group]
            if place == before or list(home.values()).count(before) == 1:
                continue
            filled[before] -= loads[group]
            filled[place] += loads[group]
            if cost() < best * (1 - 1e-6):
                best, moved, home[group] = cost(), True, place
            else:
                filled[before] += loads[group]
                filled[place] -= loads[group]


def _loads(
    samples: Sequence[Sample], pixels: NDArray[np.int64] | None
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return what each group has, (1 + classes,), images first, and how much each counts.

    Pixels of a class are scaled to add up to the number of images: a thin class counts as much as
    a large one.
    """
    columns = [np.ones(len(samples))]
    if pixels is not None:
        total = pixels.sum(0)
        columns += list((pixels[:, total > 0] / total[total > 0] * len(samples)).T)
    table = np.stack(columns, axis=1)
    loads = {sample.group: np.zeros(len(columns)) for sample in samples}
    for sample, row in zip(samples, table, strict=True):
        loads[sample.group] += row
    weights = np.full(len(columns), 1 / max(1, len(columns) - 1))
    weights[0] = 1
    return loads, weights


def join_groups(groups: Sequence[str], pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Return a group for each sample, those of each pair being one; `groups` are theirs so far."""
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    for first, second in pairs:
        a, b = sorted((root(groups[first]), root(groups[second])))
        parent[b] = a
    return [root(group) for group in groups]


def read_names(path: Path) -> list[str]:
    """Return the names in a split's list, one a line; raises DataError when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such split") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    return [name for line in lines if (name := line.strip())]


def split_lists(folder: Path) -> dict[str, Path]:
    """Return all lists in splits/ of a folder in the plain layout, by split."""
    paths = sorted((folder / "splits").glob("[!.]*.txt"))
    return {path.stem: path for path in paths if path.is_file()}


def read_splits(folder: Path, every: bool = False) -> dict[str, list[str]]:
    """Return the names of samples by split, of a folder in the plain layout; {} when not split.

    Of train, val and test, or of every list in splits/.
    """
    lists = split_lists(folder)
    return {
        split: [name.replace("/", "_") for name in read_names(lists[split])]
        for split in (lists if every else SPLITS)
        if split in lists
    }


def write_splits(
    folder: Path, splits: Mapping[str, Sequence[str]], published: bool = False
) -> None:
    """Write splits/train.txt, val.txt, …, a name a line, and whether they are as published."""
    for split, names in splits.items():
        write_text(folder / "splits" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    mark = folder / "splits" / PUBLISHED
    mark.unlink(missing_ok=True)
    if published:
        write_text(mark, "The lists came with the data: seg-data check notes what they share.\n")


def is_published(folder: Path) -> bool:
    """Return whether the lists in splits/ came with the data."""
    return (folder / "splits" / PUBLISHED).is_file()
