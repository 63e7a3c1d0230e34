"""Near-duplicates: pictures that are the same but for size, brightness or compression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import Dataset, Pixels, Sample
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import read_image

SIDE = 16  # of the grid that is compared: hashes of 256 bits

# Bits that may differ. Measured on IDD-Lite and CamVid: a picture again at half the size, brighter,
# or as a JPEG of quality 50 differs in 16 at most; pictures of different drives in 48 at least.
LIMIT = 24
BLOCK = 1024  # hashes compared at once


def image_hash(image: Pixels) -> NDArray[np.bool_]:
    """Return the difference hash of a picture, grey (H, W) or (H, W, 3), as (256,) bool.

    A bit says whether a cell of a 16x17 grid is darker than its right neighbour (Krawetz, 2013).
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def near_pairs(hashes: NDArray[np.bool_], limit: int = LIMIT) -> Iterator[tuple[int, int, int]]:
    """Give (first, second, bits that differ) for hashes (N, 256) that differ in `limit` at most."""
    signs = hashes.astype(np.float32) * 2 - 1
    for start in range(0, len(signs), BLOCK):
        block = signs[start : start + BLOCK]
        differ = (signs.shape[1] - block @ signs[start:].T) / 2
        rows, columns = np.nonzero(np.triu(differ <= limit, k=1))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            yield start + row, start + column, int(differ[row, column])


def near_duplicates(
    samples: Sequence[Sample], hashes: NDArray[np.bool_], home: Mapping[str, str]
) -> Iterator[str]:
    """Give a line for each two near-duplicates in different splits; `home` is the split by name."""
    for first, second, bits in near_pairs(hashes):
        a, b = samples[first].name, samples[second].name
        if a in home and b in home and home[a] != home[b]:
            yield (
                f"{samples[first].image} in {home[a]} and {samples[second].image} in {home[b]} are "
                f"near-duplicates ({bits} of {hashes.shape[1]} bits differ)"
            )


def hash_samples(
    dataset: Dataset, samples: Sequence[Sample]
) -> tuple[list[Sample], NDArray[np.bool_]]:
    """Return the samples whose image can be read, and their hashes (N, 256)."""
    read, hashes = [], []
    for sample in samples:
        try:
            grey = (
                read_image(sample.image, cv2.IMREAD_GRAYSCALE)
                if sample.image.is_file()
                else dataset.load(sample)[0]
            )
        except DataError:
            continue
        read.append(sample)
        hashes.append(image_hash(grey))
    return read, np.array(hashes, bool).reshape(len(read), SIDE * SIDE)
