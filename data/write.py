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
    """Write images/DRIVE/…, masks/DRIVE/… and dataset.toml; names and drives stay the same.

    Image files are copied byte by byte, masks hold class ids. The folder appears when all of it is
    there. Raises UsageError when it exists and is not empty, DataError for what cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; name a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        write_text(part / ABOUT, about(dataset))
        for done, sample in enumerate(dataset.samples, 1):
            _write(dataset, sample, part)
            progress(done)
        part.chmod(0o755)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(dataset: Dataset, sample: Sample, part: Path) -> None:
    """Write a sample under its drive; open_plain joins drive and file to its name again."""
    image, mask = dataset.load(sample)
    name = Path(sample.group) / sample.name.removeprefix(f"{sample.group}_")
    if sample.image.is_file():
        content = sample.image.read_bytes()
        write_bytes(part / "images" / name.with_suffix(sample.image.suffix), content)
    else:
        bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        write_png(part / "images" / f"{name}.png", bgr, level=3)
    write_png(part / "masks" / f"{name}.png", mask, level=6)


def about(dataset: Dataset) -> str:
    """Return a data set's dataset.toml."""
    lines = [
        f"name = {json.dumps(dataset.name)}",
        f"licence = {json.dumps(dataset.licence)}",
        f"ignore = [{IGNORE}]",
    ]
    for info in dataset.classes:
        lines += [
            "",
            "[[classes]]",
            f"name = {json.dumps(info.name)}",
            f"color = {list(info.color)}",
        ]
        lines += ["drivable = true"] if info.drivable else []
    return "\n".join(lines) + "\n"
