"""What every baseline knows of a road scene, and nothing more.

1. Nothing above HORIZON is road.
2. A trapezoid before the car is road.
3. The road is one piece: the one that holds most of the trapezoid.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Region = NDArray[np.uint8]  # (H, W), 0 or 1

HORIZON = 0.45  # of the height
# Corners (x, y) of the trapezoid in shares of width and height; it ends above a bonnet.
TRAPEZOID = ((0.30, 0.92), (0.70, 0.92), (0.57, 0.68), (0.43, 0.68))
SPECK = 5  # pixels: smaller gaps and bridges are not part of the road's shape


@functools.lru_cache(maxsize=4)
def trapezoid(height: int, width: int) -> Region:
    """Return the area before the car that is taken for road."""
    region = np.zeros((height, width), np.uint8)
    corners = np.round(np.array(TRAPEZOID) * (width, height)).astype(np.int32)
    cv2.fillPoly(region, [corners], (1,))
    region.setflags(write=False)
    return region


def above_horizon(height: int) -> slice:
    """Return the rows that are never road."""
    return slice(0, round(height * HORIZON))


def smooth_lab(pixels: Pixels) -> NDArray[np.float32]:
    """Return Lab colours (H, W, 3) float32 without the road's grain; distances are as eyes see."""
    lab = cv2.cvtColor(cv2.medianBlur(pixels, SPECK), cv2.COLOR_RGB2Lab)
    return np.asarray(lab, np.float32)


def evidence(likely: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return 1 for the piece of `likely` (H, W) that is the road, -1 elsewhere."""
    region = likely.astype(np.uint8)
    region[above_horizon(len(region))] = 0
    square = np.ones((SPECK, SPECK), np.uint8)
    region = np.asarray(cv2.morphologyEx(region, cv2.MORPH_OPEN, square), np.uint8)
    region = np.asarray(cv2.morphologyEx(region, cv2.MORPH_CLOSE, square), np.uint8)
    return np.where(main_piece(region), 1, -1).astype(np.float32)


def main_piece(region: Region) -> NDArray[np.bool_]:
    """Return the connected piece that holds most of the trapezoid; none when none touches it."""
    _, pieces = cv2.connectedComponents(region, connectivity=4)
    inside = pieces[trapezoid(*region.shape) > 0]
    held = np.bincount(inside, minlength=pieces.max() + 1)
    held[0] = 0
    best = int(held.argmax())
    return np.asarray((pieces == best) & (held[best] > 0))
