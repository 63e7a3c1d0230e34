"""Boundary IoU: the IoU of the bands along the outlines of truth and prediction.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import IGNORE

DILATION_RATIO = 0.02  # width of the band over the image's diagonal, as in the paper

Mask = NDArray[np.uint8]


def boundary(mask: Mask, ratio: float = DILATION_RATIO) -> Mask:
    """Return the pixels of `mask` (H, W), 0 or 1, that are within a band of its outline.

    The image's edge is an outline too, as in the authors' code.
    """
    height, width = mask.shape
    distance = max(1, round(ratio * float(np.hypot(height, width))))
    # One erosion by a large square is `distance` erosions by 3 x 3.
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    inside = cv2.erode(mask, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask - inside, np.uint8)


class BoundaryIou:
    """Pixels of the bands by class, summed over frames: those in both, and those in either.

    Void pixels are taken for what is predicted there, so that the outline of void is no outline
    of a class; they do not count themselves.
    """

    def __init__(self, classes: int, ratio: float = DILATION_RATIO) -> None:
        self.ratio = ratio
        self.both: NDArray[np.int64] = np.zeros(classes, np.int64)
        self.either: NDArray[np.int64] = np.zeros(classes, np.int64)

    def update(self, truth: Mask, predicted: Mask) -> None:
        """Add a frame's masks of class ids, (H, W) each."""
        seen = truth != IGNORE
        filled = np.where(seen, truth, predicted)
        for number in np.union1d(filled, predicted):
            true = boundary((filled == number).astype(np.uint8), self.ratio)
            guess = boundary((predicted == number).astype(np.uint8), self.ratio)
            self.both[number] += int(np.count_nonzero(true & guess & seen))
            self.either[number] += int(np.count_nonzero((true | guess) & seen))

    @property
    def iou(self) -> NDArray[np.float64]:
        """Boundary IoU by class, 0 to 1, NaN for a class that does not occur."""
        iou = np.full(len(self.both), np.nan)
        np.divide(self.both, self.either, out=iou, where=self.either > 0)
        return iou
