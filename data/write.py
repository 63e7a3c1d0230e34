"""A data set written in the plain layout."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.plain import ABOUT
from roadseg.data.splits import write_splits
from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import write_bytes, write_text
from roadseg.runtime.images import is_image, write_png
from roadseg.runtime.spec import IGNORE


def write_plain(
    dataset: Dataset,
    folder: Path,
    progress: Callable[[int], None] = lambda done: None,
    splits: Mapping[str, Sequence[str]] | None = None,
    published: bool = False,
) -> None:
    """Write images/DRIVE/…, masks/DRIVE/…, splits/… and dataset.toml; drives stay the same.

    So do names that begin with the drive; to others it is added. Image files are copied byte by
    byte, those that the plain layout does not read are written as PNG; masks hold class ids.
    `splits` are names of samples, those that are not in the data set left out; `published` says
    that they came with the data. A new folder appears when all of it is there, in an empty one
    dataset.toml comes last. Raises UsageError when it is not empty, DataError for what cannot be
    read.
    """
    there = folder.exists()
    if there and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; name a folder that is new or empty")
    beside = folder if there else folder.parent
    beside.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=beside, prefix=f".{folder.name}-"))
    try:
        write_text(part / ABOUT, about(dataset))
        for done, sample in enumerate(dataset.samples, 1):
            _write(dataset, sample, part)
            progress(done)
        lists = _lists(dataset, splits or {})
        if lists:
            write_splits(part, lists, published)
        part.chmod(0o755)
        if not there:
            os.replace(part, folder)
        else:  # not replaced: it may be the one that the user's shell is in, or a disk of its own
            for name in ("images", "masks", *(["splits"] if lists else []), ABOUT):
                os.replace(part / name, folder / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _lists(dataset: Dataset, splits: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the names to write by split; a split of none is left out."""
    names = {sample.name: _name(sample) for sample in dataset.samples}
    lists = {
        split: [names[each] for each in part if each in names] for split, part in splits.items()
    }
    return {split: part for split, part in lists.items() if part}


def _name(sample: Sample) -> str:
    """Return the path in images/ without suffix; open_plain joins it to the sample's name again."""
    drive = sample.group.replace("/", "_")
    return (Path(sample.group) / sample.name.removeprefix(f"{drive}_")).as_posix()


def _write(dataset: Dataset, sample: Sample, part: Path) -> None:
    """Write a sample under its drive."""
    image, mask = dataset.load(sample)
    name = _name(sample)
    if is_image(sample.image) and sample.image.is_file():
        # Not with_suffix: what follows the last point of a name may be a fraction of a second.
        path = part / "images" / f"{name}{sample.image.suffix}"
        write_bytes(path, sample.image.read_bytes())
    else:
        bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        write_png(part / "images" / f"{name}.png", bgr, level=3)
    write_png(part / "masks" / f"{name}.png", mask, level=6)


def about(dataset: Dataset) -> str:
    """Return a data set's dataset.toml."""
    lines = [
        f"name = {_quoted(dataset.name)}",
        f"licence = {_quoted(dataset.licence)}",
        f"ignore = [{IGNORE}]",
    ]
    pattern = condition_pattern(dataset)
    lines += [f"condition = {_quoted(pattern)}"] if pattern else []
    for info in dataset.classes:
        lines += [
            "",
            "[[classes]]",
            f"name = {_quoted(info.name)}",
            f"color = {list(info.color)}",
        ]
        lines += ["drivable = true"] if info.drivable else []
    return "\n".join(lines) + "\n"


def condition_pattern(dataset: Dataset) -> str:
    """Return the pattern that finds each sample's condition in the name that it is written as.

    "" when there is none: no sample has a condition, or names do not tell it.
    """
    conditions = {sample.condition for sample in dataset.samples} - {""}
    pattern = "|".join(re.escape(each) for each in sorted(conditions, key=len, reverse=True))
    for sample in dataset.samples:
        match = re.search(pattern, _name(sample))
        if (match[0] if match else "") != sample.condition:
            return ""
    return pattern


def _quoted(text: str) -> str:
    """Return a text in quotes as TOML reads it: JSON, but without its pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)
