"""Repairs of masks in the plain layout, in place: each file is written whole beside, then renamed.

Repaired is what has one right answer: masks of 16 bits whose values fit in 8, masks of class ids
stored as grey in three channels, masks of an image's stored pixels where the image is shown turned
by its EXIF orientation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Pixels, Sample
from roadseg.data.image_pair import stored_pixels
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import read_image, write_png

AS_ONE = "three equal channels written as one"


def repair(dataset: Dataset) -> Iterator[str]:
    """Repair what can be, and give a line for each; `dataset` is in the plain layout.

    Where masks are class ids stored as grey, black ones are class 0, not void.
    """
    reader, grey = dataset.read, False
    assert isinstance(reader, LabelledFiles)
    masks = [(sample, sample.mask) for sample in dataset.samples if sample.mask]
    for sample, path in masks:
        if _is_good(dataset, sample):
            continue
        try:
            mask, done = _repaired(reader, sample, path)
        except DataError:
            continue  # cannot be read: a fault that stays
        if done:
            yield _write(path, mask, done)
            grey |= AS_ONE in done
    good = [path for sample, path in masks if grey and _is_good(dataset, sample)]
    for path in _black(reader, good):
        yield _write(path, _stored(reader, path)[..., 0], [AS_ONE])


def _write(path: Path, mask: Pixels, done: list[str]) -> str:
    write_png(path.with_suffix(".png"), np.ascontiguousarray(mask), level=6)
    if path.suffix != ".png":
        path.unlink()
    return f"{path}: {' and '.join(done)}"


def _is_good(dataset: Dataset, sample: Sample) -> bool:
    try:
        dataset.load(sample)
    except DataError:
        return False
    return True


def _stored(reader: LabelledFiles, path: Path) -> Pixels:
    """Return a mask as the reader takes it: a palette's numbers where they count, or BGR."""
    numbers = reader.by_palette(path)
    return read_image(path, cv2.IMREAD_UNCHANGED) if numbers is None else numbers


def _black(reader: LabelledFiles, paths: list[Path]) -> list[Path]:
    """Return the masks of three channels that are black; none where one of them has colours."""
    found = []
    for path in paths:
        mask = _stored(reader, path)
        if mask.ndim == 3 and not _is_grey(mask):
            return []
        if mask.ndim == 3 and not mask[..., :3].any():
            found.append(path)
    return found


def _is_grey(mask: Pixels) -> bool:
    return bool((mask[..., :1] == mask[..., :3]).all())


def _repaired(reader: LabelledFiles, sample: Sample, path: Path) -> tuple[Pixels, list[str]]:
    """Return the mask and what was done to it; nothing where it would still have a fault."""
    mask, done = _stored(reader, path), []
    if mask.dtype == np.uint16 and mask.max() < 256:
        mask = mask.astype(np.uint8)
        done.append("16 bits written as 8")
    if mask.ndim == 3 and mask[..., :3].any() and _is_grey(mask) and not _is_known(reader, mask):
        mask = mask[..., 0]
        done.append(AS_ONE)
    upright = read_image(sample.image)
    stored = stored_pixels(sample)
    if mask.shape[:2] != upright.shape[:2] and mask.shape[:2] == stored.shape[:2]:
        mask = _turned(mask, stored, upright)
        done.append("turned upright like its image")
    fits = mask.shape[:2] == upright.shape[:2] and _is_known(reader, mask)
    return mask, done if fits else []


def _turned(mask: Pixels, stored: Pixels, upright: Pixels) -> Pixels:
    """Return the mask turned and mirrored as the stored image is to become the upright one."""
    for mirror in (slice(None), slice(None, None, -1)):
        for quarters in range(4):
            if np.array_equal(np.rot90(stored[:, mirror], quarters), upright):
                return np.rot90(mask[:, mirror], quarters)
    return mask


def _is_known(reader: LabelledFiles, mask: Pixels) -> bool:
    """Return whether a mask has 8 bits and only values, or colours, of classes."""
    if mask.dtype != np.uint8:
        return False
    if mask.ndim == 2:
        return bool((reader.table[mask] >= 0).all())
    try:
        reader.from_colors(mask[..., 2::-1], Path())
    except DataError:
        return False
    return True
