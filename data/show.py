"""A sheet of images with their labels, to look at before anything is learned from them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Pixels
from roadseg.runtime.drawing import grid, legend, stack
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import write_png
from roadseg.runtime.overlay import overlay
from roadseg.runtime.spec import IGNORE

WIDTH = 480  # of a picture
COLUMNS = 4  # an image and its overlay, twice
ALPHA = 0.6
VOID = (255, 255, 255)


def write_sheet(dataset: Dataset, path: Path, count: int) -> int:
    """Write images beside their overlays as a PNG, spread over the set; void is white.

    Returns how many are shown; raises DataError when one cannot be read, or none has a mask.
    """
    labelled = [sample for sample in dataset.samples if sample.mask is not None]
    if not labelled:
        raise DataError(f"{dataset.name}: none of its images has labels to show")
    places = np.linspace(0, len(labelled) - 1, min(count, len(labelled))).round().astype(int)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(dataset.classes)] = [info.color[::-1] for info in dataset.classes]
    palette[IGNORE] = VOID
    pictures: list[Pixels] = []
    for place in places:
        image, mask = dataset.load(labelled[place])
        pictures += _beside(image, mask, palette)
    sheet = grid(pictures, COLUMNS)
    write_png(path, stack([sheet, legend(dataset.classes, sheet.shape[1])]), level=6)
    return len(places)


def _beside(image: Pixels, mask: Pixels, palette: Pixels) -> list[Pixels]:
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    picture = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
    ids = np.asarray(cv2.resize(mask, (WIDTH, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    painted = overlay(picture, ids, palette, ALPHA, np.empty_like(picture))
    painted[ids == IGNORE] = VOID
    return [picture, painted]
