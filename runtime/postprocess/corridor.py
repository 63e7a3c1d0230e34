"""Corridor: the part of the picture that the vehicle will drive over."""

from __future__ import annotations

import math

import numpy as np

from roadseg.runtime.camera_model import CameraModel

SHARE = 0.1  # of the picture's width, where no camera model tells the vehicle's


class Corridor:
    """A straight corridor for frames of one size.

    camera: for this size, None where it is not known.
    box: rows and columns of a mask that hold the corridor; top and left are its first ones.
    inside: (rows, columns) uint8, 1 in the corridor.
    pixels: (rows,) how many pixels of a row are in it, 1 or more.
    """

    def __init__(self, width: int, height: int, camera: CameraModel | None) -> None:
        self.width, self.height = width, height
        self.camera = camera.resized(width, height) if camera else None
        if self.camera:
            self.top = min(height - 1, max(0, math.ceil(self.camera.horizon + 0.5)))
            bottom = max(self.top + 1, height - self.camera.hood_rows)
            rows = np.arange(self.top, bottom, dtype=np.float64)
            first, last = self.camera.corridor(rows)
        else:
            self.top, bottom = 0, height
            first = np.full(height, width * (0.5 - SHARE / 2))
            last = np.full(height, width * (0.5 + SHARE / 2) - 1)
        middle = np.clip((first + last) / 2, 0, width - 1).round()  # narrow ones have a pixel
        first = np.minimum(np.clip(np.ceil(first), 0, width - 1), middle)
        last = np.maximum(np.clip(np.floor(last), 0, width - 1), middle)
        self.left, right = int(first.min()), int(last.max()) + 1
        self.box = np.s_[self.top : bottom, self.left : right]
        columns = np.arange(self.left, right)
        self.inside = ((columns >= first[:, None]) & (columns <= last[:, None])).astype(np.uint8)
        self.pixels = self.inside.sum(1)
