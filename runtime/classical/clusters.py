"""K-means clusters of colour and place; those of the trapezoid are road."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical.prior import Pixels, evidence, smooth_lab, trapezoid

CLUSTERS = 8
PLACE = 40.0  # levels of colour that the picture's width weighs
EVERY = 23  # pixels of which one is clustered; the others go to the nearest centre
LEAST = 0.08  # of the trapezoid that a road's cluster holds
SEED = 0


def k_means(pixels: Pixels) -> NDArray[np.float32]:
    """Call road the clusters that hold a fair share of the trapezoid.

    Lloyd, "Least Squares Quantization in PCM", 1982.
    """
    from sklearn.cluster import KMeans

    height, width = pixels.shape[:2]
    points = _points(pixels)
    clustering = KMeans(CLUSTERS, n_init=1, max_iter=50, random_state=SEED)
    number = clustering.fit(points[::EVERY]).predict(points).reshape(height, width)
    held = np.bincount(number[trapezoid(height, width) > 0], minlength=CLUSTERS)
    return evidence((held / held.sum() >= LEAST)[number])


def _points(pixels: Pixels) -> NDArray[np.float32]:
    """Return colour and place of each pixel, (H * W, 5)."""
    lab = smooth_lab(pixels)
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(PLACE / width)
    return np.asarray(cv2.merge([*cv2.split(lab), x, y]).reshape(-1, 5), np.float32)
