"""The watershed between the trapezoid and what is surely not road."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import (
    SPECK,
    Pixels,
    above_horizon,
    evidence,
    trapezoid,
)

ROAD, OTHER = 1, 2
CORNER = 0.08  # of the width: strips at both sides, down to where the road may fill the picture
SIDE_END = 0.62  # of the height


def watershed_basins(pixels: Pixels) -> NDArray[np.float32]:
    """Flood the gradient from the trapezoid and from horizon and sides; road is where they meet.

    Beucher and Lantuéjoul, "Use of Watersheds in Contour Detection", 1979.
    """
    from skimage.segmentation import watershed

    basins = watershed(  # type: ignore[no-untyped-call]
        _gradient(pixels), _markers(*pixels.shape[:2])
    )
    return evidence(np.asarray(basins == ROAD))


def _gradient(pixels: Pixels) -> NDArray[np.float32]:
    """Return the largest gradient of the three channels, (H, W)."""
    smooth = cv2.medianBlur(pixels, SPECK)
    along, down = (
        np.abs(cv2.Sobel(smooth, cv2.CV_32F, dx, dy)).max(axis=2) for dx, dy in ((1, 0), (0, 1))
    )
    return np.asarray(np.hypot(along, down), np.float32)


def _markers(height: int, width: int) -> NDArray[np.int32]:
    markers = np.zeros((height, width), np.int32)
    side, end = round(width * CORNER), round(height * SIDE_END)
    markers[above_horizon(height)] = OTHER
    markers[:end, :side] = markers[:end, width - side :] = OTHER
    markers[trapezoid(height, width) > 0] = ROAD
    return markers
