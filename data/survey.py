"""A look at every image and mask of a data set: pixels by class, sizes, hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import Dataset
from roadseg.data.near_duplicates import image_hash
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import read_image
from roadseg.runtime.spec import IGNORE


@dataclass(frozen=True)
class Survey:
    """What was found, in the order of the data set's samples.

    pixels: of each class, (images, classes) int64.
    void: pixels without a class, (images,) int64.
    sizes: images by (width, height).
    hashes: (images, 256) bool.
    """

    pixels: NDArray[np.int64]
    void: NDArray[np.int64]
    sizes: Counter[tuple[int, int]]
    hashes: NDArray[np.bool_]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each class's share of the labelled pixels, (classes,)."""
        total = self.pixels.sum(0)
        return np.asarray(total / max(1, total.sum()), np.float64)


def survey(dataset: Dataset, progress: Callable[[int], None] = lambda done: None) -> Survey:
    """Read all of a data set; raises DataError for what cannot be read."""
    counts, hashes, sizes = [], [], Counter[tuple[int, int]]()
    for done, sample in enumerate(dataset.samples, 1):
        if sample.mask is None:
            bgr = read_image(sample.image)
            image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            mask = np.zeros(0, np.uint8)
        else:
            image, mask = dataset.load(sample)
        counts.append(np.bincount(mask.ravel(), minlength=256))
        hashes.append(image_hash(image))
        sizes[image.shape[1], image.shape[0]] += 1
        progress(done)
    if not counts:
        raise DataError(f"{dataset.name}: there are no images in it")
    table = np.array(counts, np.int64)
    classes = len(dataset.classes)
    return Survey(table[:, :classes], table[:, IGNORE], sizes, np.array(hashes, bool))
