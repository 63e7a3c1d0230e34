"""A data set written in the plain layout."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.plain import ABOUT
from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import write_bytes, write_text
from roadseg.runtime.images import write_png
from roadseg.runtime.spec import IGNORE


def write_plain(
    dataset: Dataset, folder: Path, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Write images/DRIVE/…, masks/DRIVE/… and dataset.toml; drives stay the same.

    So do names that begin with the drive; to others it is added. Image files are copied byte by
    byte, masks hold class ids. A new folder appears when all of it is there, in an empty one
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
        part.chmod(0o755)
        if not there:
            os.replace(part, folder)
        else:  # not replaced: it may be the one that the user's shell is in, or a disk of its own
            for name in ("images", "masks", ABOUT):
                os.replace(part / name, folder / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(dataset: Dataset, sample: Sample, part: Path) -> None:
    """Write a sample under its drive; open_plain joins drive and file to its name again."""
    image, mask = dataset.load(sample)
    drive = sample.group.replace("/", "_")
    name = Path(sample.group) / sample.name.removeprefix(f"{drive}_")
    if sample.image.is_file():
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
    for info in dataset.classes:
        lines += [
            "",
            "[[classes]]",
            f"name = {_quoted(info.name)}",
            f"color = {list(info.color)}",
        ]
        lines += ["drivable = true"] if info.drivable else []
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text in quotes as TOML reads it: JSON, but without its pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)
