"""Precision and recall over all thresholds of a class's probability, in fixed memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import IGNORE

# A power of two: i / BINS is exact in float32, so no probability falls on the wrong side.
BINS = 256

Floats = NDArray[np.float64]


class PrecisionRecall:
    """Counts of pixels by class, bin of probability, and whether the pixel is of the class.

    The memory is (classes, BINS + 1, 2) whatever the number of frames. Thresholds are i / BINS: a
    pixel is called a class where its probability is at least that, each class for itself.
    """

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, BINS + 1, 2), np.int64)

    def update(self, truth: NDArray[np.uint8], probability: NDArray[np.float32]) -> None:
        """Add a frame: truth (H, W), probability (C, H, W) from 0 to 1; IGNORE does not count."""
        seen = truth != IGNORE
        true = truth[seen]
        for number, plane in enumerate(probability):
            place = (plane[seen] * np.float32(BINS)).astype(np.int64) * 2 + (true == number)
            counts = np.bincount(place, minlength=2 * (BINS + 1))
            self.counts[number] += counts.reshape(BINS + 1, 2)

    def curve(self, number: int) -> tuple[Floats, Floats]:
        """Return precision and recall of a class by threshold 0 to 1, each (BINS + 1,).

        Precision is 1 where no pixel reaches the threshold; recall is NaN for a class that does
        not occur.
        """
        others, hits = self.counts[number, ::-1].cumsum(axis=0)[::-1].astype(float).T
        called = hits + others
        precision = np.divide(hits, called, out=np.ones_like(hits), where=called > 0)
        recall = hits / hits[0] if hits[0] else np.full_like(hits, np.nan)
        return precision, recall

    def average_precision(self, number: int) -> float:
        """Return the area under a class's curve, 0 to 1; NaN for a class that does not occur.

        The sum of precision times the step of recall, as scikit-learn defines it: no interpolation
        between the thresholds.
        """
        precision, recall = self.curve(number)
        return float(-np.diff(np.append(recall, 0.0)) @ precision)
