"""Regions that grow from the trapezoid: over the picture, and over its mean-shift modes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from roadseg.runtime.classical.prior import SPECK, Pixels, evidence, trapezoid

STEP = 3  # levels between neighbours, per channel, over which a region grows
SPATIAL, RANGE = 8, 18  # radii of mean shift: pixels, and levels of colour
MODE_STEP = 5
SEEDS = 24


def grow_region(pixels: Pixels) -> NDArray[np.float32]:
    """Call road what is joined to the trapezoid by small steps of colour.

    Adams and Bischof, "Seeded Region Growing", 1994.
    """
    return evidence(_grow(cv2.medianBlur(pixels, SPECK), STEP))


def mean_shift(pixels: Pixels) -> NDArray[np.float32]:
    """Call road the modes of colour and place that are joined to the trapezoid's.

    Comaniciu and Meer, "Mean Shift: A Robust Approach Toward Feature Space Analysis", 2002.
    """
    return evidence(_grow(cv2.pyrMeanShiftFiltering(pixels, SPATIAL, RANGE), MODE_STEP))


def _grow(pixels: ArrayLike, step: int) -> NDArray[np.bool_]:
    """Return what is reached from seeds spread over the trapezoid, away from its odd colours."""
    picture = np.ascontiguousarray(pixels, np.uint8)
    height, width = picture.shape[:2]
    places = np.argwhere(trapezoid(height, width))
    colors = picture[tuple(places.T)].astype(int)
    usual = np.abs(colors - np.median(colors, axis=0)).sum(1)
    places = places[usual <= np.median(usual)]
    reached = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    for y, x in places[np.linspace(0, len(places) - 1, SEEDS).astype(int)]:
        if not reached[y + 1, x + 1]:
            seed = (int(x), int(y))
            cv2.floodFill(picture, reached, seed, (0,), (step,) * 3, (step,) * 3, flags)
    return np.asarray(reached[1:-1, 1:-1] > 0)
