"""Thresholds: one that is fixed, and Otsu's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import (
    SPECK,
    Pixels,
    above_horizon,
    evidence,
    smooth_lab,
    trapezoid,
)

GREY = 55  # saturation, 0 to 255: asphalt and concrete have less
DARK, BRIGHT = 40, 200  # brightness that a road has by day


def fixed_threshold(pixels: Pixels) -> NDArray[np.float32]:
    """Call road what is grey, neither dark nor bright; the thresholds are the same for all."""
    hsv = cv2.cvtColor(cv2.medianBlur(pixels, SPECK), cv2.COLOR_RGB2HSV)
    saturation, value = hsv[..., 1], hsv[..., 2]
    return evidence((saturation < GREY) & (value > DARK) & (value < BRIGHT))


def otsu_threshold(pixels: Pixels) -> NDArray[np.float32]:
    """Call road what is nearer to the trapezoid's median colour than Otsu's threshold.

    The threshold parts the distances below the horizon. Otsu, "A Threshold Selection Method from
    Gray-Level Histograms", 1979.
    """
    lab = smooth_lab(pixels)
    seed = np.median(lab[trapezoid(*lab.shape[:2]) > 0], axis=0)
    distance = np.linalg.norm(lab - seed, axis=2).clip(0, 255).astype(np.uint8)
    ground = np.ascontiguousarray(distance[above_horizon(len(lab)).stop :])
    threshold, _ = cv2.threshold(ground, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return evidence(distance <= threshold)
