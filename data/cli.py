"""seg-data: convert, check, split, show and count labelled data."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from roadseg.data import Dataset, open_dataset
from roadseg.data.check import find_faults, find_leaks, find_notes
from roadseg.data.label_map import load_label_map
from roadseg.data.near_duplicates import near_pairs
from roadseg.data.options import (
    CheckOptions,
    ConvertOptions,
    ShowOptions,
    SplitOptions,
    StatsOptions,
)
from roadseg.data.plain import plain_folder
from roadseg.data.repair import repair
from roadseg.data.show import write_sheet
from roadseg.data.splits import SPLITS, join_groups, read_splits, split_groups, write_splits
from roadseg.data.stats import part_shares, statistics, stats_lines
from roadseg.data.stats_page import stats_page
from roadseg.data.survey import Survey, survey
from roadseg.data.write import write_plain
from roadseg.runtime.errors import CheckFailed, run_cli, unknown
from roadseg.runtime.files import write_text
from roadseg.runtime.options import parse_options


def _check(options: CheckOptions) -> None:
    dataset = open_dataset(options.data, options.split)
    if options.fix:
        folder = plain_folder(options.data, "--fix repairs")
        for line in repair(dataset):
            print(f"fixed: {line}")
        dataset = open_dataset(str(folder), options.split)
    count = 0
    for fault in find_faults(dataset, counter("checked", len(dataset.samples))):
        print(fault)
        count += 1
    folder = Path(options.data)
    for leak in find_leaks(folder, dataset, read_splits(folder)):
        print(leak)
        count += 1
    notes = list(find_notes(dataset))
    for note in notes:
        print(f"note: {note}")
    if count:
        raise CheckFailed(f"{options.data}: {count} fault(s) in {_describe(dataset)}")
    told = f", {len(notes)} note(s)" if notes else ""
    print(f"{options.data}: {_describe(dataset)}, no faults{told}")


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
    names = _names_on_disk(folder, dataset)
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


def _names_on_disk(folder: Path, dataset: Dataset) -> dict[str, str]:
    """Return the path in images/ without suffix, by sample name."""
    images = folder / "images"
    return {
        sample.name: sample.image.relative_to(images).with_suffix("").as_posix()
        for sample in dataset.samples
    }


def _convert(options: ConvertOptions) -> None:
    dataset = open_dataset(options.data, options.split)
    if options.map:
        dataset = load_label_map(options.map).apply(dataset)
    write_plain(dataset, options.out, counter("written", len(dataset.samples)))
    notes = sum(1 for _ in find_notes(dataset))
    if notes:
        print(
            f"{notes} shape(s) were cut off or left out: seg-data check {options.data} names them"
        )
    print(f"{_describe(dataset)} in {options.out}")
    print(f"next: seg-data split {options.out}")


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
