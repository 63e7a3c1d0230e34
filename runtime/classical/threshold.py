"""Thresholds: one that is fixed, and Otsu's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import (
    Pixels,
    above_horizon,
    evidence,
    smooth_lab,
    trapezoid,
)

GREY = 20  # distance from grey in Lab: asphalt and concrete have less, also in blue shade
DARK, BRIGHT = 35, 185  # lightness, 0 to 255, that a road has by day


def fixed_threshold(pixels: Pixels) -> NDArray[np.float32]:
    """Call road what is grey, neither dark nor bright; the thresholds are the same for all."""
    lab = smooth_lab(pixels)
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    return evidence((chroma < GREY) & (lightness > DARK) & (lightness < BRIGHT))


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
