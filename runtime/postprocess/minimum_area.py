"""area: small regions take the class around them."""

from __future__ import annotations

import cv2
import numpy as np

from roadseg.runtime.decode import count_classes
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.regions import pixels_named, small_regions
from roadseg.runtime.postprocess.scratch import Scratch
from roadseg.runtime.spec import IGNORE

SQUARE = np.ones((3, 3), np.uint8)


class MinimumArea(Stage):
    """Gives regions of one class that have fewer than `pixels` the class around them.

    What a region encloses counts as its own and goes with it. Of several classes around it the one
    with the longest border wins. Unknown regions stay.
    People and poles far away are small regions too: keep `pixels` below what must not be lost.
    """

    name = "area"

    def __init__(self, pixels: float = 64) -> None:
        self.pixels = pixels_named(self.name, pixels)
        self._same = Scratch(np.bool_)

    def __call__(self, work: Work) -> None:
        """See Stage; classes in the order of their ids."""
        mask = work.mask
        same = self._same.shaped(*mask.shape)
        for number in np.flatnonzero(count_classes(mask, IGNORE)):
            np.equal(mask, np.uint8(number), out=same)
            for box, inside in small_regions(same.view(np.uint8), self.pixels):
                around = mask[box][cv2.dilate(inside, SQUARE) > inside]
                if around.size:  # else it fills the picture
                    mask[box][inside > 0] = np.bincount(around).argmax()
