"""Canny's edges, and the closed contour around the trapezoid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import SPECK, Pixels, above_horizon, evidence, trapezoid

WEAK, STRONG = 40, 120  # of the gradient, as Canny's hysteresis takes them


def canny_contours(pixels: Pixels) -> NDArray[np.float32]:
    """Call road what lies inside the contour, free of edges, that holds most of the trapezoid.

    Canny, "A Computational Approach to Edge Detection", 1986.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SPECK, SPECK), 0)
    edges = cv2.dilate(cv2.Canny(grey, WEAK, STRONG), np.ones((3, 3), np.uint8))
    free = np.asarray(edges == 0, np.uint8)
    free[above_horizon(len(free))] = 0
    contours, _ = cv2.findContours(free, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    inside = [_fill(np.asarray(contour, np.int32), free.shape) for contour in contours]
    seed = trapezoid(*free.shape)
    best = max(inside, key=lambda area: int(np.count_nonzero(area & seed)), default=free * 0)
    return evidence(best > 0)


def _fill(contour: NDArray[np.int32], shape: tuple[int, ...]) -> Pixels:
    area = np.zeros(shape, np.uint8)
    cv2.drawContours(area, [contour], -1, (1,), cv2.FILLED)
    return area
