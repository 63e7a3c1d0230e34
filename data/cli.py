"""seg-data: check, show, split and write labelled data."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadseg.data import Dataset, open_dataset
from roadseg.data.check import find_faults, find_leaks
from roadseg.data.show import write_sheet
from roadseg.data.splits import RATIOS, SPLITS, split_groups, write_splits
from roadseg.data.write import write_plain
from roadseg.runtime.errors import CheckFailed, UsageError, run_cli, unknown
from roadseg.runtime.options import parse_options


@dataclass(frozen=True)
class CheckOptions:
    """Read all of a data set and name each fault; exit code 1 when there is one.

    data: camvid:FOLDER, idd_lite:FOLDER, a folder in the plain layout, or synthetic:.
    split: train, val, test or all.
    """

    data: str
    split: str = "all"


@dataclass(frozen=True)
class ShowOptions:
    """Write a sheet of images beside their labels.

    data: camvid:FOLDER, idd_lite:FOLDER, a folder in the plain layout, or synthetic:.
    out: PNG to write.
    n: images to show.
    split: train, val, test or all.
    """

    data: str
    out: Path = Path("sheet.png")
    n: int = 12
    split: str = "all"

    def __post_init__(self) -> None:
        """Check values."""
        if self.n < 1:
            raise UsageError(f"n is {self.n}: it must be at least 1")


@dataclass(frozen=True)
class SplitOptions:
    """Split a folder in the plain layout by drive; writes splits/train.txt, val.txt, test.txt.

    data: folder with a dataset.toml.
    ratios: shares of train, val and test.
    by: group keeps a drive in one split; image does not.
    seed: of the order of drives of one size.
    """

    data: Path
    ratios: tuple[float, ...] = RATIOS
    by: str = "group"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check values."""
        if len(self.ratios) != 3 or min(self.ratios) < 0 or self.ratios[0] <= 0:
            raise UsageError(f"ratios are three shares such as 7,1.5,1.5, not {self.ratios}")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}: it must not be negative")
        if self.by not in ("group", "image"):
            raise unknown("way to split", self.by, ("group", "image"))


@dataclass(frozen=True)
class WriteOptions:
    """Write a data set in the plain layout: images/, masks/, dataset.toml.

    data: camvid:FOLDER, idd_lite:FOLDER, a folder in the plain layout, or synthetic:.
    out: folder to write, new or empty.
    split: train, val, test or all.
    """

    data: str
    out: Path
    split: str = "all"


def _check(options: CheckOptions) -> None:
    dataset = open_dataset(options.data, options.split)
    count = 0
    for fault in find_faults(dataset, _counter("checked", len(dataset.samples))):
        print(fault)
        count += 1
    for leak in find_leaks(Path(options.data), dataset):
        print(leak)
        count += 1
    if count:
        raise CheckFailed(f"{options.data}: {count} fault(s) in {_describe(dataset)}")
    print(f"{options.data}: {_describe(dataset)}, no faults")


def _show(options: ShowOptions) -> None:
    shown = write_sheet(open_dataset(options.data, options.split), options.out, options.n)
    print(f"{shown} images in {options.out}")


def _split(options: SplitOptions) -> None:
    dataset = open_dataset(str(options.data))
    samples = dataset.samples
    if options.by == "image":
        samples = tuple(dataclasses.replace(each, group=each.name) for each in samples)
    splits = split_groups(samples, options.ratios, options.seed)
    names = _names_on_disk(options.data, dataset)
    write_splits(options.data, {key: [names[n] for n in part] for key, part in splits.items()})
    group_of = {sample.name: sample.group for sample in dataset.samples}
    for split in SPLITS:
        drives = Counter(group_of[name] for name in splits[split])
        told = ", ".join(f"{drive} ({n})" for drive, n in sorted(drives.items()) if drive)
        print(f"{split:5}  {len(splits[split]):5} images  {told}")
    print(f"next: seg-train --data {options.data} --out runs/first")


def _names_on_disk(folder: Path, dataset: Dataset) -> dict[str, str]:
    """Return the path in images/ without suffix, by sample name."""
    images = folder / "images"
    return {
        sample.name: sample.image.relative_to(images).with_suffix("").as_posix()
        for sample in dataset.samples
    }


def _write(options: WriteOptions) -> None:
    dataset = open_dataset(options.data, options.split)
    write_plain(dataset, options.out, _counter("written", len(dataset.samples)))
    print(f"{_describe(dataset)} in {options.out}")
    print(f"next: seg-data split {options.out}")


def _describe(dataset: Dataset) -> str:
    drives = [group for group in dataset.groups if group]
    of = f" of {len(drives)} drives" if drives else ""
    return f"{len(dataset.samples)} images{of}, {len(dataset.classes)} classes"


def _counter(word: str, total: int) -> Callable[[int], None]:
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
    "write": (WriteOptions, _write),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-data", lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        print("usage: seg-data COMMAND DATA [options]   (seg-data COMMAND --help)\n")
        for name, (kind, _) in COMMANDS.items():
            print(f"  {name:6} {(kind.__doc__ or '').splitlines()[0]}")
        return
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    kind, run = COMMANDS[words[0]]
    run(parse_options(f"seg-data {words[0]}", kind, words[1:], ["data"]))


if __name__ == "__main__":
    sys.exit(main())
