"""Repairs of masks in the plain layout, in place: each file is written whole beside, then renamed.

Repaired is what has one right answer: masks of 16 bits whose values fit in 8, masks of class ids
stored as grey in three channels, masks of an image's stored pixels where the image is shown turned
by its EXIF orientation.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Pixels, Sample
from roadseg.data.image_pair import stored_pixels
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import read_image, write_png


def repair(dataset: Dataset) -> Iterator[str]:
    """Repair what can be, and give a line for each; `dataset` is in the plain layout."""
    for sample in dataset.samples:
        if sample.mask is None or _is_good(dataset, sample):
            continue
        try:
            raw = read_image(sample.mask, cv2.IMREAD_UNCHANGED)
            mask, done = _repaired(dataset, sample, raw)
        except DataError:
            continue  # cannot be read: a fault that stays
        if done:
            write_png(sample.mask.with_suffix(".png"), mask, level=6)
            if sample.mask.suffix != ".png":
                sample.mask.unlink()
            yield f"{sample.mask}: {' and '.join(done)}"


def _is_good(dataset: Dataset, sample: Sample) -> bool:
    try:
        dataset.load(sample)
    except DataError:
        return False
    return True


def _repaired(dataset: Dataset, sample: Sample, raw: Pixels) -> tuple[Pixels, list[str]]:
    """Return the mask and what was done to it; nothing where it would still have a fault."""
    mask, done = raw, []
    if mask.dtype == np.uint16 and mask.max() < 256:
        mask = mask.astype(np.uint8)
        done.append("16 bits written as 8")
    if mask.ndim == 3 and (mask[..., :1] == mask[..., :3]).all():
        mask = np.ascontiguousarray(mask[..., 0])
        done.append("three equal channels written as one")
    upright = read_image(sample.image)
    stored = stored_pixels(sample)
    if mask.shape[:2] != upright.shape[:2] and mask.shape[:2] == stored.shape[:2]:
        mask = _turned(mask, stored, upright)
        done.append("turned upright like its image")
    return mask, done if _fits(dataset, mask, upright) else []


def _turned(mask: Pixels, stored: Pixels, upright: Pixels) -> Pixels:
    """Return the mask turned and mirrored as the stored image is to become the upright one."""
    for mirror in (slice(None), slice(None, None, -1)):
        for quarters in range(4):
            if np.array_equal(np.rot90(stored[:, mirror], quarters), upright):
                return np.ascontiguousarray(np.rot90(mask[:, mirror], quarters))
    return mask


def _fits(dataset: Dataset, mask: Pixels, image: Pixels) -> bool:
    """Return whether a mask has the image's size, and classes' values where it has one channel."""
    if mask.shape[:2] != image.shape[:2] or mask.dtype != np.uint8:
        return False
    known = dataset.read.table >= 0 if isinstance(dataset.read, LabelledFiles) else None
    return mask.ndim == 3 or known is None or bool(known[mask].all())
