"""The confusion matrix, and the scores that are read off it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import IGNORE


class ConfusionMatrix:
    """Counts of pixels, rows the true class, columns the predicted one; void is left out.

    All scores are of this one matrix, summed over frames (not means of frames' scores), as the
    PASCAL VOC and Cityscapes benchmarks define them. Classes that occur neither as truth nor as
    prediction have no IoU (NaN) and do not count in the mean.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def update(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Add two masks of the same shape; pixels whose truth is IGNORE do not count.

        Raises DataError when the shapes differ or an id is not a class.
        """
        if truth.shape != predicted.shape:
            raise DataError(f"masks differ in size: {truth.shape} and {predicted.shape}")
        seen = truth != IGNORE
        true, guess = truth[seen], predicted[seen]
        if true.size == 0:
            return
        worst = max(int(true.max()), int(guess.max()))
        if worst >= self.classes:
            raise DataError(f"class id {worst} in a mask of {self.classes} classes")
        pairs = true.astype(np.int64) * self.classes + guess
        counts = np.bincount(pairs, minlength=self.classes**2)
        self.counts += counts.reshape(self.classes, self.classes)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union by class, 0 to 1, NaN for a class that does not occur."""
        hit = np.diag(self.counts)
        return _shares(hit, self.counts.sum(0) + self.counts.sum(1) - hit)

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur, 0 to 1; NaN when nothing was counted."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels that are right, 0 to 1; NaN when nothing was counted."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else float("nan")

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the pixels called a class that are of it, NaN for a class never predicted."""
        return _shares(np.diag(self.counts), self.counts.sum(0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of a class's pixels that are called it, NaN for a class that does not occur."""
        return _shares(np.diag(self.counts), self.counts.sum(1))

    @property
    def dice(self) -> NDArray[np.float64]:
        """Dice coefficient (F1) by class: 2 hits / (true + predicted), NaN without either."""
        return _shares(2 * np.diag(self.counts), self.counts.sum(0) + self.counts.sum(1))

    def iou_by_name(self, names: Sequence[str]) -> dict[str, float]:
        """Return IoU by class name, without the classes that do not occur."""
        pairs = zip(names, self.iou, strict=True)
        return {name: float(value) for name, value in pairs if np.isfinite(value)}


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole by class, NaN where the whole is empty."""
    shares = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
