"""Figures of a data set, split by split: class shares, sizes, drives, near-duplicates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset, open_dataset
from roadseg.data.check import in_two_splits
from roadseg.data.near_duplicates import near_duplicates
from roadseg.data.splits import SPLITS, read_splits
from roadseg.data.survey import Survey, survey
from roadseg.runtime.errors import UsageError

MOST = 5  # near-duplicates and sizes that are listed


@dataclass(frozen=True)
class Statistics:
    """Figures of a data set.

    uri: as it was asked for.
    dataset: all of it.
    survey: of all of it.
    splits: names of samples by split; {} when it is not split.
    shares: of the labelled pixels by class, (classes,), by split; "all" alone when it is not split.
    duplicates: a line for each two near-duplicates in different splits.
    """

    uri: str
    dataset: Dataset
    survey: Survey
    splits: dict[str, list[str]]
    shares: dict[str, NDArray[np.float64]]
    duplicates: tuple[str, ...]


def statistics(uri: str, counter: Callable[[str, int], Callable[[int], None]]) -> Statistics:
    """Read all of a data set; raises DataError when it cannot be read."""
    dataset = open_dataset(uri)
    found = survey(dataset, counter("read", len(dataset.samples)))
    splits = splits_of(uri)
    home = {name: split for split, names in splits.items() for name in names}
    duplicates = tuple(near_duplicates(dataset.samples, found.hashes, home))
    shares = part_shares(dataset, found, splits) if splits else {"all": found.shares}
    return Statistics(uri, dataset, found, splits, shares, duplicates)


def splits_of(uri: str) -> dict[str, list[str]]:
    """Return the names of samples by split, train, val and test; {} when there are none."""
    if ":" not in uri or Path(uri).is_dir():
        return read_splits(Path(os.path.expanduser(uri)))
    splits = {}
    for split in SPLITS:
        try:
            splits[split] = [sample.name for sample in open_dataset(uri, split).samples]
        except UsageError:  # it has no such split
            continue
    return splits


def part_shares(
    dataset: Dataset, found: Survey, splits: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.float64]]:
    """Return each class's share of the labelled pixels, (classes,), by split."""
    row = {sample.name: number for number, sample in enumerate(dataset.samples)}
    shares = {}
    for split, names in splits.items():
        total = found.pixels[[row[name] for name in names if name in row]].sum(0)
        shares[split] = total / max(1, total.sum())
    return shares


def stats_lines(stats: Statistics) -> list[str]:
    """Return the figures as lines of text."""
    parts = list(stats.shares)
    lines = [f"{'class':22}" + "".join(f"{part:>9}" for part in parts)]
    for number, info in enumerate(stats.dataset.classes):
        figures = (f"{stats.shares[part][number] * 100:7.2f} %" for part in parts)
        lines.append(f"{info.name:22}" + "".join(figures))
    void = stats.survey.void.sum() / max(1, stats.survey.void.sum() + stats.survey.pixels.sum())
    lines.append(f"void: {void * 100:.2f} % of all pixels")
    return [*lines, *images_lines(stats), *leak_lines(stats)]


def images_lines(stats: Statistics) -> list[str]:
    """Return lines that tell images, sizes and drives."""
    samples = stats.dataset.samples
    unlabelled = sum(sample.mask is None for sample in samples)
    without = f", {unlabelled} without labels" if unlabelled else ""
    sizes = stats.survey.sizes.most_common(MOST)
    told = ", ".join(f"{width}x{height} ({n})" for (width, height), n in sizes)
    more = len(stats.survey.sizes) - len(sizes)
    lines = [
        f"images: {len(samples)}{without}",
        f"sizes: {told}{f' and {more} more' if more else ''}",
    ]
    group_of = {sample.name: sample.group for sample in samples}
    for part in stats.shares:
        names = stats.splits.get(part, list(group_of))
        drives = Counter(group_of[name] for name in names if group_of.get(name)).values()
        spread = f", {min(drives)} to {max(drives)} images each" if drives else ""
        lines.append(f"{part}: {len(names)} images of {len(drives)} drive(s){spread}")
    return lines


def leak_lines(stats: Statistics) -> list[str]:
    """Return lines that tell what splits have in common."""
    if not stats.splits:
        return ["not split: drives and near-duplicates are looked for between splits"]
    shared = list(in_two_splits(stats.dataset, stats.splits))
    lines = [f"drives in two splits: {len(shared)}", *(f"  {line}" for line in shared[:MOST])]
    lines.append(f"near-duplicates between splits: {len(stats.duplicates)}")
    return lines + [f"  {line}" for line in stats.duplicates[:MOST]]
