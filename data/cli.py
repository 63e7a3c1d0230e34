"""seg-data: convert, check, split, show and count labelled data."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from roadseg.data import Dataset, open_dataset
from roadseg.data.check import find_faults, find_leaks, find_notes, find_unknown_names
from roadseg.data.label_map import load_label_map
from roadseg.data.near_duplicates import near_pairs
from roadseg.data.options import (
    CheckOptions,
    ConvertOptions,
    ShowOptions,
    SplitOptions,
    StatsOptions,
)
from roadseg.data.plain import names_on_disk, plain_folder
from roadseg.data.repair import repair
from roadseg.data.show import write_sheet
from roadseg.data.splits import (
    SPLITS,
    is_published,
    join_groups,
    read_splits,
    split_groups,
    write_splits,
)
from roadseg.data.stats import part_shares, splits_of, statistics, stats_lines
from roadseg.data.stats_page import stats_page
from roadseg.data.survey import Survey, survey
from roadseg.data.write import condition_pattern, write_plain
from roadseg.runtime.errors import CheckFailed, DataError, run_cli, unknown
from roadseg.runtime.files import write_text
from roadseg.runtime.options import parse_options


def _check(options: CheckOptions) -> None:
    dataset = open_dataset(options.data, options.split)
    if options.fix:
        plain_folder(options.data, "--fix repairs")
        for line in repair(dataset):
            print(f"fixed: {line}")
        dataset = open_dataset(options.data, options.split)
    faults, noted = _faults_and_notes(options, dataset)
    count = 0
    for fault in faults:
        print(fault)
        count += 1
    notes = list(noted)
    for note in notes:
        print(f"note: {note}")
    if count:
        raise CheckFailed(f"{options.data}: {count} fault(s) in {_describe(dataset)}")
    told = f", {len(notes)} note(s)" if notes else ""
    print(f"{options.data}: {_describe(dataset)}, no faults{told}")


def _faults_and_notes(
    options: CheckOptions, dataset: Dataset
) -> tuple[Iterator[str], Iterator[str]]:
    """Return faults and notes; what splits share is a fault unless they came with the data."""
    folder = Path(os.path.expanduser(options.data))
    faults = find_faults(dataset, counter("checked", len(dataset.samples)))
    if folder.is_dir() and options.split == "all":
        faults = itertools.chain(faults, find_unknown_names(folder, dataset))
    leaks = find_leaks(options.data, dataset, splits_of(options.data))
    if folder.is_dir() and not is_published(folder):
        return itertools.chain(faults, leaks), find_notes(dataset)
    return faults, itertools.chain(find_notes(dataset), leaks)


def _show(options: ShowOptions) -> None:
    shown = write_sheet(open_dataset(options.data, options.split), options.out, options.n)
    print(f"{shown} images in {options.out}")


def _split(options: SplitOptions) -> None:
    dataset = open_dataset(options.data)
    folder = plain_folder(options.data, "seg-data split divides")
    found = survey(dataset, counter("read", len(dataset.samples)))
    samples = dataset.samples
    if options.by == "image":
        samples = tuple(dataclasses.replace(each, group=each.name) for each in samples)
    pairs = [(first, second) for first, second, _ in near_pairs(found.hashes)]
    groups = join_groups([sample.group for sample in samples], pairs)
    joined = [dataclasses.replace(s, group=g) for s, g in zip(samples, groups, strict=True)]
    splits = split_groups(joined, options.ratios, options.seed, found.pixels)
    names = names_on_disk(folder, dataset)
    write_splits(folder, {key: [names[n] for n in part] for key, part in splits.items()})
    _tell_split(dataset, found, splits, len({s.group for s in samples}) - len(set(groups)))
    print(f"next: seg-train --data {options.data} --out runs/first")


def _tell_split(
    dataset: Dataset, found: Survey, splits: Mapping[str, Sequence[str]], kept_together: int
) -> None:
    """Print each split's images, drives, and how far its class shares are from the whole's."""
    group_of = {sample.name: sample.group for sample in dataset.samples}
    parts = part_shares(dataset, found, {key: part for key, part in splits.items() if part})
    for split in SPLITS:
        drives = Counter(group_of[name] for name in splits[split])
        told = ", ".join(f"{drive} ({n})" for drive, n in sorted(drives.items()) if drive)
        print(f"{split:5}  {len(splits[split]):5} images  {shorten(told, 200, placeholder=' …')}")
    if kept_together:
        print(f"{kept_together} group(s) joined to others, as they share near-duplicates")
    apart = np.abs(np.stack([part - found.shares for part in parts.values()])).max(0)
    worst = int(apart.argmax())
    name = dataset.classes[worst].name
    print(f"class shares differ by {apart[worst] * 100:.1f} points at most ({name})")


def _convert(options: ConvertOptions) -> None:
    whole = open_dataset(options.data, options.split)
    if options.map:
        whole = load_label_map(options.map).apply(whole)
    labelled = tuple(sample for sample in whole.samples if sample.mask)
    if not labelled:
        raise DataError(f"{options.data}: none of its images has labels to convert")
    dataset = dataclasses.replace(whole, samples=labelled)
    splits, published = _splits_to_write(options, whole)
    write_plain(dataset, options.out, counter("written", len(labelled)), splits, published)
    _tell_left_out(options.data, dataset, len(whole.samples) - len(labelled))
    print(f"{_describe(dataset)} in {options.out}")
    is_split = {"train", "val"} <= read_splits(options.out).keys()
    print(f"next: seg-data {'check' if is_split else 'split'} {options.out}")


def _splits_to_write(
    options: ConvertOptions, dataset: Dataset
) -> tuple[dict[str, list[str]], bool]:
    """Return names by split, and whether they came with the data; none of a part of the data.

    Raises DataError for a name that is no image.
    """
    folder = Path(os.path.expanduser(options.data))
    if options.split != "all":
        return {}, False
    if not folder.is_dir():
        return splits_of(options.data), True
    for fault in find_unknown_names(folder, dataset):
        raise DataError(fault)
    return read_splits(folder, every=True), is_published(folder)


def _tell_left_out(data: str, dataset: Dataset, unlabelled: int) -> None:
    """Print what a converted data set has lost."""
    if unlabelled:
        print(f"{unlabelled} image(s) without labels were left out")
    conditions = sorted({sample.condition for sample in dataset.samples} - {""})
    if conditions and not condition_pattern(dataset):
        print(f"conditions ({', '.join(conditions)}) were left out: no name tells them")
    notes = sum(1 for _ in find_notes(dataset))
    if notes:
        print(f"{notes} note(s) on shapes: seg-data check {data} tells them")


def _stats(options: StatsOptions) -> None:
    found = statistics(options.data, counter)
    print("\n".join(stats_lines(found)))
    if options.out:
        write_text(options.out, stats_page(found))
        print(f"wrote {options.out}")


def _describe(dataset: Dataset) -> str:
    drives = [group for group in dataset.groups if group]
    of = f" of {len(drives)} drives" if drives else ""
    return f"{len(dataset.samples)} images{of}, {len(dataset.classes)} classes"


def counter(word: str, total: int) -> Callable[[int], None]:
    """Return a live line, on a terminal only."""

    def show(done: int) -> None:
        if sys.stderr.isatty():
            end = "\r\033[K" if done == total else ""
            print(f"\r{word} {done}/{total}\033[K{end}", end="", file=sys.stderr, flush=True)

    return show


COMMANDS: dict[str, tuple[type[Any], Callable[[Any], None]]] = {
    "check": (CheckOptions, _check),
    "show": (ShowOptions, _show),
    "split": (SplitOptions, _split),
    "convert": (ConvertOptions, _convert),
    "stats": (StatsOptions, _stats),
}
FORMER = {"write": "convert"}  # names that commands had


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-data", lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        print("usage: seg-data COMMAND DATA [options]   (seg-data COMMAND --help)\n")
        for name, (kind, _) in COMMANDS.items():
            print(f"  {name:8} {(kind.__doc__ or '').splitlines()[0]}")
        return
    words = [FORMER.get(words[0], words[0]), *words[1:]]
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    kind, run = COMMANDS[words[0]]
    run(parse_options(f"seg-data {words[0]}", kind, words[1:], ["data"]))


if __name__ == "__main__":
    sys.exit(main())
